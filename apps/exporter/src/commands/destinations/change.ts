import type { Database } from '@auditbox/db/database/connect.ts';
import { databaseTime } from '@auditbox/db/database/database-time.ts';
import { askForHistory, countHistory, pauseDestination, removeDestination } from '@auditbox/db/export/destinations.ts';
import { findFailed } from '@auditbox/db/export/find-failed.ts';
import { countReplayable, replayDeliveries } from '@auditbox/db/export/replay-deliveries.ts';
import { countReplayed, replayFailed } from '@auditbox/db/export/replay-failed.ts';
import type { DestinationsCommand } from './cli.ts';
import { type CommandResult, failure, success } from './result.ts';

type Command<Kind extends DestinationsCommand['kind']> = Extract<DestinationsCommand, { kind: Kind }>;

const rowsPerStep = 1_000;

export async function pauseOrResume(db: Database, command: Command<'pause' | 'resume'>): Promise<CommandResult> {
  const { name, kind, dryRun } = command;
  const done = kind === 'pause' ? 'paused' : 'resumed';
  if (dryRun) return success(`${name} would be ${done}.`, { name, dryRun });
  const isKnown = await pauseDestination(db, name, kind === 'pause');
  return isKnown ? success(`${name} is ${done}.`, { name }) : failure(`There is no destination ${name}.`);
}

/** What failed or was rejected, and with a range also what was sent. Requests keep their keys and bytes. */
export async function replayAgain(db: Database, { name, range, dryRun }: Command<'replay'>): Promise<CommandResult> {
  if (name === 's3')
    return failure('S3 has each event once. Use `npm run exporter -- --replay-failed`, or --verify --repair.');
  const bounds = { occurredFrom: range?.from ?? null, occurredTo: range?.to ?? null };
  const failed = await findFailed(db, { destination: name, ...bounds, batchId: null });
  const sent = range === null ? { batches: 0, rows: 0 } : await countReplayable(db, { destination: name, ...bounds });
  const counts = {
    failedBatches: failed.deliveries.length,
    rejectedRows: failed.rows.length,
    sentBatches: sent.batches,
    sentRows: sent.rows,
  };
  if (dryRun) return success(`${name} would get again: ${describe(counts)}.`, { name, dryRun, ...counts });
  const began = await databaseTime(db);
  let replayed = 0;
  if (range !== null) {
    // Their rejected rows come with them.
    for (let step = -1; step !== 0; ) {
      step = await replayDeliveries(db, { destination: name, ...bounds }, began, rowsPerStep);
      replayed += step;
      if (step > 0) process.stderr.write(`${replayed} of ${sent.batches} batches\n`);
    }
  }
  const left = range === null ? failed : await findFailed(db, { destination: name, ...bounds, batchId: null });
  const { batchIds } = await replayFailed(db, {
    destination: name,
    batchIds: left.deliveries.map(({ batchId }) => batchId),
    outboxIds: left.rows.map(({ outboxId }) => outboxId),
  });
  // Another replay at the same moment may have taken on a part.
  const own = await countReplayed(db, left, batchIds);
  const done = range === null ? { ...counts, failedBatches: own.batches, rejectedRows: own.rejectedEvents } : counts;
  return success(`${name} gets again: ${describe(done)}. A running exporter sends them.`, {
    name,
    ...done,
    sentBatches: replayed,
  });
}

interface Counts {
  readonly failedBatches: number;
  readonly rejectedRows: number;
  readonly sentBatches: number;
  readonly sentRows: number;
}

function describe({ failedBatches, rejectedRows, sentBatches, sentRows }: Counts): string {
  return `${failedBatches} failed batches, ${rejectedRows} rejected rows and ${sentBatches} sent batches (${sentRows} rows)`;
}

export async function backfill(db: Database, { name, since, dryRun }: Command<'backfill'>): Promise<CommandResult> {
  const count = await countHistory(db, name, since);
  if (count === null)
    return failure(`There is no destination ${name}. A running exporter adds those of the configuration.`);
  const from = since === null ? 'the beginning' : since;
  if (dryRun) return success(`${name} would get ${count} batches from ${from} on.`, { name, batches: count, dryRun });
  await askForHistory(db, name, since);
  return success(`${name} gets ${count} batches from ${from} on. A running exporter adds them.`, {
    name,
    batches: count,
  });
}

/** What the destination would have got is forgotten, so it must be confirmed. */
export async function remove(
  db: Database,
  { name, isConfirmed, dryRun }: Command<'remove'>,
  isConfigured: boolean,
): Promise<CommandResult> {
  if (name === 's3') return failure('s3 cannot be removed.');
  if (isConfigured)
    return failure(`${name} is in the configuration; an exporter would add it again. Remove it there first.`);
  const count = await countHistory(db, name, null);
  if (count === null) return failure(`There is no destination ${name}.`);
  if (dryRun || !isConfirmed) {
    const line = `${name} and its deliveries would be removed. Events that wait for it would not be sent.`;
    return dryRun ? success(line, { name, dryRun }) : failure(`${line} Repeat it with --yes.`);
  }
  let rows = 0;
  for (let step = -1; step !== 0; ) {
    step = await removeDestination(db, name, rowsPerStep);
    rows += step;
    if (step > 0) process.stderr.write(`${rows} rows\n`);
  }
  return success(`${name} is removed, with ${rows} deliveries and rejections.`, { name, rows });
}
