import { counted } from '@auditbox/core/text/counted.ts';
import type { Finding } from '../diagnose/finding.ts';
import type { DestinationStatus } from './destination-status.ts';

const indent = ' '.repeat(9);

/** A destination in a few lines, with what to do. */
export function describeStatus({ destination, state, behind, stuck }: DestinationStatus): string {
  const verb = behind.rows === 1 ? 'is' : 'are';
  const oldest = `the oldest waits for ${describeAge(behind.oldestAgeS)}`;
  const missing =
    behind.rows === 0
      ? 'every event is there.'
      : state === 'pass'
        ? `${counted(behind.rows, 'event')} ${verb} on the way; ${oldest}, which is normal.`
        : `${counted(behind.rows, 'event')} ${verb} not there; ${oldest}.`;
  const reasons = stuck.flatMap(({ says, todo }) => [`${indent}${says}`, `${indent}→ ${todo}`]);
  return [`${state.padEnd(indent.length)}${destination}: ${missing}`, ...reasons].join('\n');
}

/** What is wrong with the database itself, in the form of a destination's line. */
export function describeReason(
  state: Finding['state'],
  what: string,
  { says, todo }: { readonly says: string; readonly todo: string },
): string {
  return `${state.padEnd(indent.length)}${what}: ${says}\n${indent}→ ${todo}`;
}

const units = [
  ['d', 86_400],
  ['h', 3_600],
  ['min', 60],
  ['s', 1],
] as const;

/** Two units at most: `3 h 12 min`. */
export function describeAge(seconds: number): string {
  let left = Math.round(seconds);
  const parts: string[] = [];
  for (const [unit, length] of units) {
    if (parts.length === 2 || (left < length && unit !== 's')) continue;
    if (unit === 's' && left === 0 && parts.length > 0) continue;
    parts.push(`${Math.floor(left / length)} ${unit}`);
    left %= length;
  }
  return parts.join(' ');
}
