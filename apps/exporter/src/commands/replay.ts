import { type Failed, findFailed } from '@auditbox/db/export/find-failed.ts';
import { leaseBatch } from '@auditbox/db/export/lease-batch.ts';
import { type ReplayIds, replayFailed } from '@auditbox/db/export/replay-failed.ts';
import { type ReplayProgress, replayProgress } from '@auditbox/db/export/replay-progress.ts';
import { sealBatches } from '@auditbox/db/export/seal-batches.ts';
import type { Shutdown } from '@auditbox/process/shutdown.ts';
import { sleep } from '@auditbox/process/sleep.ts';
import type { ExporterCommand } from '../cli.ts';
import type { Exporter } from '../compose.ts';
import { probeDestination } from '../destinations/probe.ts';
import { runUploadLoop } from '../export/upload-loop.ts';

type ReplayCommand = Extract<ExporterCommand, { kind: 'replay' }>;

const lookEveryMs = 200;

/** A batch that is still refused for passing reasons after this long is left to the running exporter. */
const giveUpAfterMs = 60_000;

/**
 * Sends failed batches and quarantined rows again and shows how far it is. Safe beside running exporters, which may
 * take some of the work. Resolves to an exit code: 0 all sent (or nothing to send, or a dry run), 1 the destination
 * refuses everything, 2 some are left.
 */
export async function replay(exporter: Exporter, command: ReplayCommand, shutdown: Shutdown): Promise<number> {
  const { db } = exporter;
  const failed = await findFailed(db, command);
  const rows = failed.batches.reduce((sum, batch) => sum + batch.rows, failed.rows.length);
  if (command.dryRun || rows === 0) {
    show(command, failed, rows, { sent: 0, underWay: 0 });
    return 0;
  }
  if ((await probeDestination(exporter, shutdown.taking)) === 'blocked') return 1;
  const ids = { batchIds: failed.batches.map(({ id }) => id), outboxIds: failed.rows.map(({ outboxId }) => outboxId) };
  await replayFailed(db, ids);
  await sendAgain(exporter, ids, rows, shutdown);
  const progress = await replayProgress(db, ids);
  show(command, failed, rows, progress);
  if (progress.sent === rows) return 0;
  return exporter.gate.blockedReason === null ? 2 : 1;
}

async function sendAgain(
  { db, gate, sealLimits, uploads }: Exporter,
  ids: ReplayIds,
  rows: number,
  { taking, working }: Shutdown,
): Promise<void> {
  const finished = new AbortController();
  const ours = { ...uploads, lease: () => leaseBatch(db, uploads.leaseMs, ids) };
  const uploading = runUploadLoop(ours, AbortSignal.any([taking, finished.signal]), working);
  const giveUpAt = performance.now() + giveUpAfterMs;
  let shown = '';
  try {
    for (;;) {
      // Rows out of quarantine are pending again and need a batch.
      if (ids.outboxIds.length > 0) await sealBatches(db, { ...sealLimits, lingerMs: 0 }, { only: ids.outboxIds });
      uploads.pace.wake();
      const progress = await replayProgress(db, ids);
      const line = `${sentence(rows, progress)}\n`;
      if (line !== shown) process.stderr.write(line);
      shown = line;
      const over = progress.underWay === 0 || taking.aborted || gate.blockedReason !== null;
      if (over || performance.now() > giveUpAt) return;
      await sleep(lookEveryMs, taking);
    }
  } finally {
    finished.abort();
    await uploading;
  }
}

function show({ dryRun, json, batchId }: ReplayCommand, failed: Failed, rows: number, progress: ReplayProgress): void {
  const { sent, underWay } = progress;
  if (json) {
    const outcome = dryRun ? {} : { sent, failedAgain: rows - sent - underWay, underWay };
    process.stdout.write(`${JSON.stringify({ dryRun, ...failed, total: rows, ...outcome })}\n`);
    return;
  }
  for (const { id, partition, rows: count, error } of failed.batches) {
    process.stdout.write(`batch ${id}\t${partition}\t${count} rows\t${error}\n`);
  }
  for (const { auditId, reason } of failed.rows) process.stdout.write(`row ${auditId}\t${reason}\n`);
  const nothing = batchId === null ? 'Nothing has failed.' : `Batch ${batchId} has not failed.`;
  if (rows === 0) process.stdout.write(`${nothing}\n`);
  else process.stdout.write(dryRun ? `${rows} rows would be sent again.\n` : `${sentence(rows, progress)}\n`);
}

function sentence(rows: number, { sent, underWay }: ReplayProgress): string {
  return `${sent} of ${rows} rows sent, ${rows - sent - underWay} failed again, ${underWay} under way.`;
}
