import type { Outcome } from '@auditbox/destination-kit/destination.ts';

/**
 * For an answer that says that a request is bad, without the row: halves find out which row it is, and that one is rejected.
 */
export function refuseBadRows(rows: number, reason: string): Outcome {
  return rows > 1 ? { kind: 'too-large' } : { kind: 'refused', rejected: [{ index: 0, reason }] };
}
