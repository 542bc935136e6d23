import type { DestinationError } from '../destinations/destination.ts';

/** The result of one check. */
export interface Finding {
  /** What was checked. */
  readonly what: string;
  readonly state: 'works' | 'does not work' | 'unknown';
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
  return finding(what, 'works', says, details);
}

export function fails(what: string, says: string, details: Details = {}): Finding {
  return finding(what, 'does not work', says, details);
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

/** The required checks that did not work, or were not possible. */
export function findFailed(findings: readonly Finding[]): readonly Finding[] {
  return findings.filter(({ needed, state }) => needed && state !== 'works');
}

/** Prints findings, in words or as one JSON object. Returns the exit code: 0 when everything required works, else 1. */
export function reportFindings(findings: readonly Finding[], { json }: { json: boolean }): number {
  const failed = findFailed(findings).length;
  const ok = failed === 0;
  if (json) process.stdout.write(`${JSON.stringify({ ok, findings })}\n`);
  else process.stdout.write(`${findings.map(describe).join('')}${conclude(failed)}\n`);
  return ok ? 0 : 1;
}

const indent = ' '.repeat(15);

function describe({ state, what, says, permission, advice, needed }: Finding): string {
  const lines = [`${state.padEnd(indent.length)}${what}: ${says}`];
  if (state !== 'works' && permission !== null) lines.push(`${indent}missing: ${permission}`);
  if (advice !== null) lines.push(`${indent}${advice}`);
  if (state === 'does not work' && !needed) lines.push(`${indent}Exports work without it.`);
  return `${lines.join('\n')}\n`;
}

function conclude(failed: number): string {
  if (failed === 0) return 'Everything required works.';
  return failed === 1 ? '1 required check failed.' : `${failed} required checks failed.`;
}
