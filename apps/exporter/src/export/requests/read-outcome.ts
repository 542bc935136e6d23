import type { Outcome, RejectedRow } from '@auditbox/destination-kit/destination.ts';

/*
 * What a destination returned or threw, as the exporter can record it. A module may be JavaScript, which no compiler checked, and
 * what a receiver says may hold characters that Postgres does not store.
 */

const kinds: ReadonlySet<unknown> = new Set<Outcome['kind']>([
  ...(['taken', 'taken-but', 'refused', 'retry', 'blocked', 'too-large'] as const),
]);

/** `rows`: how many the request has. Throws when it is not an outcome. */
export function readOutcome(returned: unknown, rows: number): Outcome {
  const { kind, rejected, code, reason, afterMs } = (returned ?? {}) as Readonly<Record<string, unknown>>;
  if (!kinds.has(kind)) throw new TypeError('The destination returned no outcome.');
  switch (kind as Outcome['kind']) {
    case 'taken':
      return { kind: 'taken' };
    case 'too-large':
      return { kind: 'too-large' };
    case 'taken-but':
      return { kind: 'taken-but', rejected: readRejected(rejected, rows) };
    case 'refused':
      return { kind: 'refused', rejected: readRejected(rejected, rows) };
    case 'blocked':
      return { kind: 'blocked', code: storable(code, mostCode), reason: storable(reason) };
    case 'retry': {
      const isWait = typeof afterMs === 'number' && afterMs > 0;
      return {
        kind: 'retry',
        code: storable(code, mostCode),
        reason: storable(reason),
        ...(isWait && { afterMs }),
      };
    }
    default:
      throw new TypeError('The destination returned no outcome.');
  }
}

/** A thrown error, or whatever else was thrown, is `retry`. */
export function readThrown(thrown: unknown): Extract<Outcome, { kind: 'retry' }> {
  const { code, message } = (thrown ?? {}) as Readonly<Record<string, unknown>>;
  return {
    kind: 'retry',
    code: typeof code === 'string' ? storable(code, mostCode) : 'Error',
    reason: storable(message ?? thrown),
  };
}

function readRejected(rejected: unknown, rows: number): readonly RejectedRow[] {
  const byIndex = new Map<number, string>();
  for (const row of Array.isArray(rejected) ? rejected : []) {
    const { index, reason } = (row ?? {}) as Readonly<Record<string, unknown>>;
    if (typeof index !== 'number' || !Number.isInteger(index) || index < 0 || index >= rows)
      throw new TypeError('The destination rejected rows that the request does not have.');
    byIndex.set(index, storable(reason));
  }
  if (byIndex.size === 0) throw new TypeError('The destination rejected rows without naming one.');
  return [...byIndex].map(([index, reason]) => ({ index, reason }));
}

const mostReason = 1_000;
const mostCode = 64;

/** A text that Postgres stores and a person can read, whatever it was. */
function storable(value: unknown, most = mostReason): string {
  const text = typeof value === 'string' ? value : describe(value);
  const shown = text.length > most ? `${text.slice(0, most)}…` : text;
  return shown.toWellFormed().replaceAll('\0', '\ufffd');
}

function describe(value: unknown): string {
  if (value === undefined || value === null || value === '') return 'The destination gave no reason.';
  try {
    return typeof value === 'object' ? JSON.stringify(value) : String(value);
  } catch {
    return 'The destination gave a reason that is not a text.';
  }
}
