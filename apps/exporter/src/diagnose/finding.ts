import { withCommands } from '@auditbox/process/with-commands.ts';
import type { DestinationError } from '../destinations/destination.ts';

/** The result of one check. */
export interface Finding {
  /** What was checked. */
  readonly what: string;
  /**
   * `pass`: it works. `warn`: exports work without it, but somebody should know. `fail`: exports do not work, or events wait for
   * a person. `unknown`: it could not be checked.
   */
  readonly state: 'pass' | 'warn' | 'fail' | 'unknown';
  /** Whether exports depend on it. */
  readonly needed: boolean;
  /** One sentence or more. */
  readonly says: string;
  /** The permission that is missing, if that is the reason. */
  readonly permission: string | null;
  /** What to do. */
  readonly advice: string | null;
}

type Details = Partial<Pick<Finding, 'permission' | 'advice' | 'needed'>>;

export function works(what: string, says: string, details: Details = {}): Finding {
  // A thing that exports do not need and that should be changed all the same is a warning.
  const isUnwise = details.needed === false && details.advice != null;
  return finding(what, isUnwise ? 'warn' : 'pass', says, details);
}

export function fails(what: string, says: string, details: Details = {}): Finding {
  return finding(what, details.needed === false ? 'warn' : 'fail', says, details);
}

/** Not needed, unless `details` say so. */
export function unknown(what: string, says: string, details: Details = {}): Finding {
  return finding(what, 'unknown', says, { needed: false, ...details });
}

/** A required check that was skipped, because an earlier one failed. */
export function notChecked(what: string): Finding {
  return unknown(what, 'Not checked, because an earlier check failed.', { needed: true });
}

/** What a destination's error adds to a finding. `resource` is where the permission must be granted. */
export function explainError({ permission }: DestinationError, resource: string): Details {
  if (permission === null) return {};
  if (permission.startsWith('sts:'))
    return { permission, advice: "In the role's trust policy, allow the identity of the credentials that were found." };
  const key = permission.includes('kms:') ? '; kms: permissions on the KMS key' : '';
  return { permission, advice: `Allow it on ${resource}${key}.` };
}

function finding(what: string, state: Finding['state'], says: string, details: Details): Finding {
  return { what, state, needed: true, says, permission: null, advice: null, ...details };
}

const mostListed = 5;

/** A list in a sentence. Names after the fifth are counted. */
export function listSome(names: readonly string[], separator = ', '): string {
  const more = names.length > mostListed ? `${separator}and ${names.length - mostListed} more` : '';
  return names.slice(0, mostListed).join(separator) + more;
}

/** The checks that failed, and the required ones that could not be done. */
export function findFailed(findings: readonly Finding[]): readonly Finding[] {
  return findings.filter(({ state, needed }) => state === 'fail' || (state === 'unknown' && needed));
}

/** What all findings together mean, and the exit code of a command that reports them. */
export const exitCodes = { pass: 0, warn: 0, fail: 1, unknown: 2 } as const;

/** The worst is last. `unknown` is that of something required. */
export const bySeverity: readonly Finding['state'][] = ['pass', 'warn', 'unknown', 'fail'];

/**
 * `fail` if a check fails, else `unknown` if a required one could not be done, else `warn` or `pass`. An unknown that is not
 * required, such as a right to read about the bucket, changes nothing.
 */
function conclude(findings: readonly Finding[]): Finding['state'] {
  if (findings.some(({ state }) => state === 'fail')) return 'fail';
  if (findings.some(({ state, needed }) => state === 'unknown' && needed)) return 'unknown';
  return findings.some(({ state }) => state === 'warn') ? 'warn' : 'pass';
}

/** Prints findings, in words or as one JSON object. Returns the exit code. */
export function reportFindings(findings: readonly Finding[], { json }: { json: boolean }): number {
  const state = conclude(findings);
  const ok = exitCodes[state] === 0;
  // What needs a person is last on the screen.
  const ordered = [...findings].sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
  const text = json ? JSON.stringify({ ok, state, findings }) : `${ordered.map(describe).join('')}${sum(findings)}`;
  process.stdout.write(withCommands(`${text}\n`));
  return exitCodes[state];
}

/** Most findings that are unknown are not required. */
const order: readonly Finding['state'][] = ['pass', 'unknown', 'warn', 'fail'];

const indent = ' '.repeat(9);

function describe({ state, what, says, permission, advice }: Finding): string {
  const lines = [`${state.padEnd(indent.length)}${what}: ${says}`];
  if (state !== 'pass' && permission !== null) lines.push(`${indent}missing: ${permission}`);
  if (advice !== null) lines.push(`${indent}${advice}`);
  return `${lines.join('\n')}\n`;
}

function sum(findings: readonly Finding[]): string {
  const counts = order.map((state) => [state, findings.filter((one) => one.state === state).length] as const);
  const shown = counts.filter(([, count]) => count > 0).map(([state, count]) => `${count} ${state}`);
  return `${conclude(findings)}: ${shown.join(', ')}`;
}
