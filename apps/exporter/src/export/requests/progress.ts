import type { LeasedDelivery } from '@auditbox/core/export/delivery.ts';
import type { BadRow } from '@auditbox/db/export/reject-rows.ts';
import type { SettleResult } from '@auditbox/db/export/settle-rows.ts';
import type { RequestLedger } from './request-ledger.ts';

/** How far an attempt is. */
export interface Progress {
  /** All rows before this position are settled. Recorded at once if rows were rejected, else now and then. */
  settle(nextRow: number, takenRows: number): Promise<SettleResult>;
  /** A row that the destination never takes. It is recorded with the next progress. */
  reject(row: { readonly outboxId: string }, reason: string): void;
  /** Records what is settled. */
  flush(): Promise<SettleResult>;
  /** Records that no row of the batch is left. */
  finish(rowCount: number): Promise<SettleResult>;
  readonly taken: number;
  readonly rejected: number;
  /** The rejections of this attempt that are in the database. */
  readonly recorded: RecordedRejections;
}

export interface RecordedRejections {
  readonly rows: number;
  /** The first ones that differ, as the log may have them. */
  readonly reasons: readonly string[];
}

const mostReasons = 3;

/** After a crash, requests of this long are sent again. Recording each of them would cost a commit for each. */
const recordEveryMs = 200;

export function createProgress(
  ledger: Pick<RequestLedger, 'settle'>,
  delivery: LeasedDelivery,
  from: number,
  now: () => number = () => performance.now(),
): Progress {
  let settled = from;
  let recorded = from;
  let recordedAt = now();
  let taken = 0;
  let rejectedRows = 0;
  let recordedRows = 0;
  const reasons = new Set<string>();
  let unrecorded: BadRow[] = [];

  async function record(isLast: boolean): Promise<SettleResult> {
    if (!isLast && settled === recorded && unrecorded.length === 0) return 'settled';
    const rejected = unrecorded;
    unrecorded = [];
    recorded = settled;
    recordedAt = now();
    const result = await ledger.settle(delivery, { nextRow: settled, rejected, isLast });
    if (result !== 'lost') noteRecorded(rejected);
    return result;
  }

  function noteRecorded(rejected: readonly BadRow[]): void {
    recordedRows += rejected.length;
    for (const { reason } of rejected) {
      if (reasons.size === mostReasons) return;
      reasons.add(withoutQuotes(reason));
    }
  }

  return {
    async settle(nextRow, takenRows) {
      settled = nextRow;
      taken += takenRows;
      return unrecorded.length > 0 || now() - recordedAt >= recordEveryMs ? record(false) : 'settled';
    },
    reject({ outboxId }, reason) {
      unrecorded.push({ outboxId, reason });
      rejectedRows += 1;
    },
    flush: () => record(false),
    finish(rowCount) {
      settled = rowCount;
      return record(true);
    },
    get taken() {
      return taken;
    },
    get rejected() {
      return rejectedRows;
    },
    get recorded() {
      return { rows: recordedRows, reasons: [...reasons] };
    },
  };
}

/**
 * What a reason says before it quotes. A receiver often repeats a value of the event, which belongs into the database and not into a
 * log.
 */
function withoutQuotes(reason: string): string {
  const quote = reason.search(/[:{["`“‘«]|(?<!\w)'/);
  return quote === -1 ? reason : `${reason.slice(0, quote).trimEnd()}…`;
}
