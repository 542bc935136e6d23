import { counted } from '@auditbox/core/text/counted.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { type Failed, findFailed } from '@auditbox/db/export/find-failed.ts';
import { countReplayed, replayFailed } from '@auditbox/db/export/replay-failed.ts';
import { type ReplayProgress, replayProgress } from '@auditbox/db/export/replay-progress.ts';
import type { Shutdown } from '@auditbox/process/shutdown.ts';
import { sleep } from '@auditbox/process/sleep.ts';
import type { ReplayCommand } from '../cli.ts';
import type { Destination } from '../destinations/destination.ts';
import { type Gate, isBlocked } from '../destinations/gate.ts';
import { probeDestination } from '../destinations/probe.ts';
import type { SendLoop } from '../export/send-loop.ts';
import type { LogKeeper } from '../log/log-keeper.ts';
import type { ExporterLog } from '../log.ts';
import type { ExporterSettings } from '../settings.ts';

interface ReplayParts {
  readonly settings: ExporterSettings;
  readonly db: Database;
  readonly destinationName: string;
  readonly destination: Destination;
  readonly gate: Gate;
  readonly sendLoop: SendLoop;
  readonly logKeeper: LogKeeper | null;
  readonly log: ExporterLog;
}

const checkEveryMs = 200;

/** A batch that meets only transient errors for this long is left to the running exporter. */
const giveUpAfterMs = 60_000;

/**
 * Sends failed batches and rejected rows again, and shows progress. Safe next to running exporters, which may do part
 * of the work. Resolves to the exit code: 0 all rows were sent, or nothing was to be sent, or it was a dry run; 1 the
 * destination refuses everything; 2 some rows are left.
 */
export async function replay(parts: ReplayParts, command: ReplayCommand, shutdown: Shutdown): Promise<number> {
  const { db, gate, settings, destinationName: destination } = parts;
  const failed = await findFailed(db, { destination, ...command });
  const found = failed.deliveries.reduce((sum, delivery) => sum + delivery.rows, failed.rows.length);
  if (command.dryRun || found === 0) {
    print(command, failed, { found, taken: found }, { sent: 0, underWay: 0 });
    return 0;
  }
  if (parts.logKeeper !== null && (await parts.logKeeper.check(shutdown.taking)).kind !== 'done') return 1;
  if (isBlocked(await probeDestination({ ...parts, bucket: settings.s3.bucket }, shutdown.taking))) return 1;
  const { batchIds } = await replayFailed(db, {
    destination,
    batchIds: failed.deliveries.map(({ batchId }) => batchId),
    outboxIds: failed.rows.map(({ outboxId }) => outboxId),
  });
  const { events, rejectedEvents } = await countReplayed(db, failed, batchIds);
  const taken = events + rejectedEvents;
  await sendAgain(parts, batchIds, taken, shutdown);
  const progress = await replayProgress(db, { destination, batchIds });
  print(command, failed, { found, taken }, progress);
  if (progress.sent === taken) return 0;
  return gate.blockedReason === null ? 2 : 1;
}

async function sendAgain(
  { db, destinationName: destination, gate, sendLoop }: ReplayParts,
  batchIds: readonly string[],
  rows: number,
  { taking, working }: Shutdown,
): Promise<void> {
  const finished = new AbortController();
  const sending = sendLoop.run({ taking: AbortSignal.any([taking, finished.signal]), working }, batchIds);
  const giveUpAt = performance.now() + giveUpAfterMs;
  let printed = '';
  try {
    for (;;) {
      sendLoop.wake();
      const progress = await replayProgress(db, { destination, batchIds });
      const line = `${describe(rows, progress)}\n`;
      if (line !== printed) process.stderr.write(line);
      printed = line;
      const isOver = progress.underWay === 0 || taking.aborted || gate.blockedReason !== null;
      if (isOver || performance.now() > giveUpAt) return;
      await sleep(checkEveryMs, taking);
    }
  } finally {
    finished.abort();
    await sending;
  }
}

interface ReplayedRows {
  readonly found: number;
  /** Fewer than were found if another replay took some on at the same moment. */
  readonly taken: number;
}

function print(
  { dryRun, json, batchId }: ReplayCommand,
  failed: Failed,
  { found, taken }: ReplayedRows,
  progress: ReplayProgress,
): void {
  const { sent, underWay } = progress;
  if (json) {
    const outcome = dryRun ? {} : { sent, failedAgain: taken - sent - underWay, underWay, byAnother: found - taken };
    const batches = failed.deliveries.map(({ batchId: id, ...delivery }) => ({ id, ...delivery }));
    process.stdout.write(`${JSON.stringify({ dryRun, batches, rows: failed.rows, total: taken, ...outcome })}\n`);
    return;
  }
  for (const { batchId: id, partition, rows: count, error } of failed.deliveries) {
    process.stdout.write(`batch ${id}\t${partition}\t${counted(count, 'row')}\t${error}\n`);
  }
  for (const { auditId, reason } of failed.rows) process.stdout.write(`row ${auditId}\t${reason}\n`);
  const nothing = batchId === null ? 'Nothing has failed.' : `Batch ${batchId} has not failed.`;
  if (found === 0) process.stdout.write(`${nothing}\n`);
  else
    process.stdout.write(dryRun ? `${counted(found, 'row')} would be sent again.\n` : `${describe(taken, progress)}\n`);
  if (found > taken)
    process.stdout.write(
      `${counted(found - taken, 'row was', 'rows were')} taken on by another replay at the same moment.\n`,
    );
}

function describe(rows: number, { sent, underWay }: ReplayProgress): string {
  return `${sent} of ${counted(rows, 'row')} sent, ${rows - sent - underWay} failed again, ${underWay} in progress.`;
}
