import { type Failed, findFailed } from '@auditbox/db/export/find-failed.ts';
import { type ReplayIds, replayFailed } from '@auditbox/db/export/replay-failed.ts';
import { type ReplayProgress, replayProgress } from '@auditbox/db/export/replay-progress.ts';
import { sealBatches } from '@auditbox/db/export/seal-batches.ts';
import type { Shutdown } from '@auditbox/process/shutdown.ts';
import { sleep } from '@auditbox/process/sleep.ts';
import type { ExporterCommand } from '../cli.ts';
import type { Exporter } from '../compose.ts';
import { probeDestination } from '../probe-destination.ts';
import { runUploadLoop } from '../upload-loop.ts';

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
  const failed = await findFailed(exporter.db, command);
  const found = failed.batches.length + failed.rows.length;
  if (command.dryRun || found === 0) {
    show(command, failed, { sent: 0, failedAgain: 0, underWay: found });
    return 0;
  }
  if ((await probeDestination(exporter, shutdown.taking)) !== null) return 1;
  const ids = { batchIds: failed.batches.map(({ id }) => id), outboxIds: failed.rows.map(({ outboxId }) => outboxId) };
  await replayFailed(exporter.db, ids);
  const progress = await sendAgain(exporter, ids, shutdown);
  show(command, failed, progress);
  return progress.sent === found ? 0 : 2;
}

async function sendAgain(exporter: Exporter, ids: ReplayIds, { taking, working }: Shutdown): Promise<ReplayProgress> {
  const { db, gate, sealLimits, uploads } = exporter;
  const finished = new AbortController();
  const uploading = runUploadLoop(uploads, AbortSignal.any([taking, finished.signal]), working);
  const giveUpAt = performance.now() + giveUpAfterMs;
  let shown = '';
  try {
    for (;;) {
      // Rows out of quarantine are pending again and need a batch.
      await sealBatches(db, { ...sealLimits, lingerMs: 0 }, '0');
      uploads.pace.wake();
      const progress = await replayProgress(db, ids);
      const { sent, failedAgain, underWay } = progress;
      const line = `${sent} sent, ${failedAgain} failed again, ${underWay} under way\n`;
      if (line !== shown) process.stderr.write(line);
      shown = line;
      const over = underWay === 0 || taking.aborted || gate.blockedReason !== null || performance.now() > giveUpAt;
      if (over) return progress;
      await sleep(lookEveryMs, taking);
    }
  } finally {
    finished.abort();
    await uploading;
  }
}

function show({ dryRun, json }: ReplayCommand, { batches, rows }: Failed, progress: ReplayProgress): void {
  if (json) {
    process.stdout.write(`${JSON.stringify({ dryRun, batches, rows, ...progress })}\n`);
    return;
  }
  for (const { id, partition, rows: count, error } of batches) {
    process.stdout.write(`batch ${id}\t${partition}\t${count} rows\t${error}\n`);
  }
  for (const { auditId, reason } of rows) process.stdout.write(`row ${auditId}\t${reason}\n`);
  const { sent, failedAgain, underWay } = progress;
  const found = batches.length + rows.length;
  if (found === 0) process.stdout.write('Nothing has failed.\n');
  else if (dryRun) process.stdout.write(`${found} would be sent again.\n`);
  else process.stdout.write(`${sent} of ${found} sent; ${failedAgain} failed again, ${underWay} still under way.\n`);
}
