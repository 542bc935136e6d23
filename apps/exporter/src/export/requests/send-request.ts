import type { LeasedDelivery } from '@auditbox/core/export/delivery.ts';
import { within } from '@auditbox/core/within.ts';
import type { SettleResult } from '@auditbox/db/export/settle-rows.ts';
import type { Destination, Outcome, RejectedRow } from '@auditbox/destination-kit/destination.ts';
import { crashPoint } from '@auditbox/process/crash-point.ts';
import type { RequestMetrics } from '../../metrics/request-metrics.ts';
import { type CutRequest, halve, type KeyParts, requestKey } from './cut-requests.ts';
import type { Progress } from './progress.ts';
import { readOutcome, readThrown } from './read-outcome.ts';

/** What sending a request works with. */
export interface SendParts {
  readonly destination: Destination;
  readonly delivery: LeasedDelivery;
  readonly keyParts: KeyParts;
  readonly progress: Progress;
  readonly metrics: RequestMetrics;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Called whenever the receiver has taken a request. */
  readonly onReached: () => void;
}

/** Why no further request of this attempt is sent. */
export type SendStop =
  | Extract<Outcome, { kind: 'retry' | 'blocked' }>
  | { readonly kind: 'lease lost' }
  /** The process stops, or the destination was paused. */
  | { readonly kind: 'interrupted' };

/** Sends a request until the receiver has its rows or will never take them. Resolves to null then, else to why not. */
export async function sendRequest(parts: SendParts, cut: CutRequest): Promise<SendStop | null> {
  const { progress, signal, onReached } = parts;
  const outcome = await deliverInTime(parts, cut);
  crashPoint('exporter after a request');
  if (outcome.kind === 'retry' || outcome.kind === 'blocked') return signal.aborted ? { kind: 'interrupted' } : outcome;
  onReached();
  switch (outcome.kind) {
    case 'taken':
      return settle(parts, cut, cut.rows.length);
    case 'taken-but':
      rejectRows(progress, cut, outcome.rejected);
      return settle(parts, cut, cut.rows.length - outcome.rejected.length);
    case 'refused': {
      rejectRows(progress, cut, outcome.rejected);
      const stop = toStop(await progress.flush());
      if (stop !== null) return stop;
      const rest = withoutRows(cut, outcome.rejected);
      return rest === null ? settle(parts, cut, 0) : sendRequest(parts, rest);
    }
    case 'too-large': {
      const halves = halve(cut);
      if (halves === null) {
        progress.reject(cut.rows[0], 'The receiver says that the row is too large.');
        return settle(parts, cut, 0);
      }
      return (await sendRequest(parts, halves[0])) ?? sendRequest(parts, halves[1]);
    }
    default:
      return outcome satisfies never;
  }
}

/** How long a call that does not stop at its time-out is waited for. */
const stopWithinMs = 5_000;

/** A destination may throw, hang or return nonsense. All of it is `retry`. */
async function deliverInTime(parts: SendParts, cut: CutRequest): Promise<Outcome> {
  const { destination, delivery, keyParts, metrics, timeoutMs, signal } = parts;
  const key = requestKey(keyParts, cut);
  const rows = cut.rows.map(({ row }) => row);
  const timeout = AbortSignal.timeout(timeoutMs);
  const startedAt = performance.now();
  const call = async () =>
    readOutcome(
      await destination.deliver({ key, batch: delivery.batchId, rows }, AbortSignal.any([signal, timeout])),
      rows.length,
    );
  const late: Outcome = { kind: 'retry', code: 'Timeout', reason: `No answer within ${timeoutMs} ms.` };
  const outcome = await within(timeoutMs + stopWithinMs, call(), () => late).catch((error: unknown) =>
    timeout.aborted ? late : readThrown(error),
  );
  metrics.requested(outcome.kind, rows.length, (performance.now() - startedAt) / 1_000);
  return outcome;
}

async function settle({ progress }: SendParts, { rows }: CutRequest, taken: number): Promise<SendStop | null> {
  const last = rows.at(-1)?.position ?? 0;
  return toStop(await progress.settle(last + 1, taken));
}

function toStop(result: SettleResult): SendStop | null {
  switch (result) {
    case 'settled':
      return null;
    case 'paused':
      return { kind: 'interrupted' };
    case 'lost':
      return { kind: 'lease lost' };
    default:
      return result satisfies never;
  }
}

function rejectRows(progress: Progress, { rows }: CutRequest, rejected: readonly RejectedRow[]): void {
  for (const { index, reason } of rejected) {
    const row = rows[index];
    if (row !== undefined) progress.reject(row, reason);
  }
}

function withoutRows({ rows }: CutRequest, rejected: readonly RejectedRow[]): CutRequest | null {
  const gone = new Set(rejected.map(({ index }) => index));
  const [first, ...others] = rows.filter((_, index) => !gone.has(index));
  return first === undefined ? null : { rows: [first, ...others], isPart: true };
}
