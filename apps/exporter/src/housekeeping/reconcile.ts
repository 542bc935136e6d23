import type { Database } from '@auditbox/db/database/connect.ts';
import { auditLogStart, outboxStart, reconcileAuditLog, reconcileOutbox } from '@auditbox/db/export/reconcile.ts';
import { crashPoint } from '@auditbox/process/crash-point.ts';
import { sleep } from '@auditbox/process/sleep.ts';
import { type ExporterLog, logDatabaseError, type ReconciledFields } from '../log.ts';
import type { ExportMetrics } from '../metrics/export-metrics.ts';

const rowsPerBlock = 5_000;

/** The pause after a block is at least this long, and so long that blocks need no more than this share of the time. */
const pauseMs = 1_000;
const share = 1 / 20;

/** After both tables were read to their ends. */
const restMs = 60_000;

interface Parts {
  readonly db: Database;
  readonly log: ExporterLog;
  readonly metrics: Pick<ExportMetrics, 'reconciled'>;
}

/**
 * Reads the outbox and audit_log round after round, one block at a time, for rows that the export would never reach: a
 * wrong frontier passed them, or they have no outbox row. Repairs what it finds and raises an alarm.
 */
export async function reconcileForever(parts: Parts, taking: AbortSignal): Promise<void> {
  const round = createRound(parts);
  while (!taking.aborted) {
    const startedAt = performance.now();
    let isEnd = false;
    try {
      isEnd = await round.next();
    } catch (error) {
      logDatabaseError(parts.log, error);
    }
    const tookMs = performance.now() - startedAt;
    await sleep(isEnd ? restMs : Math.max(pauseMs, tookMs / share), taking);
  }
}

/** One pass over both tables; starts again when both have ended. */
function createRound({ db, log, metrics }: Parts) {
  // Null at the end.
  let outbox: typeof outboxStart | null = outboxStart;
  let auditLog: typeof auditLogStart | null = auditLogStart;
  return {
    /** Reads one block of each table. Resolves to whether the round is over. */
    async next(): Promise<boolean> {
      let found: ReconciledFields = { lost: 0, restored: 0, conflicting: 0 };
      if (auditLog !== null) {
        const block = await reconcileAuditLog(db, auditLog, rowsPerBlock);
        auditLog = block.next;
        found = { ...found, restored: block.restoredRows, conflicting: block.conflictingRows };
      }
      report(found);
      crashPoint('exporter between two blocks of the reconciliation');
      if (outbox !== null) {
        const block = await reconcileOutbox(db, outbox, rowsPerBlock);
        outbox = block.next;
        report({ lost: block.lostRows, restored: 0, conflicting: 0 });
      }
      if (outbox !== null || auditLog !== null) return false;
      outbox = outboxStart;
      auditLog = auditLogStart;
      return true;
    },
  };

  function report(found: ReconciledFields): void {
    if (found.lost + found.restored + found.conflicting === 0) return;
    metrics.reconciled(found);
    log.rowsReconciled(found);
  }
}
