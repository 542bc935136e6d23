import { counted } from '@auditbox/core/text/counted.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { databaseTime } from '@auditbox/db/database/database-time.ts';
import {
  countLeftovers,
  type KnownDestination,
  listDestinations,
  pauseDestination,
  removeDestination,
} from '@auditbox/db/export/destinations.ts';
import { findFailed } from '@auditbox/db/export/find-failed.ts';
import { askForHistory, countHistory } from '@auditbox/db/export/history.ts';
import { countReplayable, type ReplayCount, replayDeliveries } from '@auditbox/db/export/replay-deliveries.ts';
import { countReplayed, replayFailed } from '@auditbox/db/export/replay-failed.ts';
import { findUnfinishedDeliveries } from '@auditbox/db/observe/backlog.ts';
import type { DestinationsCommand } from './cli.ts';
import { describeWaiting, type Waiting } from './describe-waiting.ts';
import { type CommandResult, failure, stopped, success } from './result.ts';

type Command<Kind extends DestinationsCommand['kind']> = Extract<DestinationsCommand, { kind: Kind }>;

const rowsPerStep = 1_000;

export async function pauseOrResume(db: Database, command: Command<'pause' | 'resume'>): Promise<CommandResult> {
  const { name, kind, dryRun } = command;
  const done = kind === 'pause' ? 'paused' : 'resumed';
  if ((await find(db, name)) === null) return notThere(name);
  const waiting = await countWaiting(db, name);
  const json = { name, ...waiting };
  if (dryRun) return success(`${name} would be ${done}. ${describeWaiting(waiting)}.`, { ...json, dryRun });
  const isKnown = await pauseDestination(db, name, kind === 'pause');
  return isKnown ? success(`${name} is ${done}. ${describeWaiting(waiting)}.`, json) : notThere(name);
}

async function countWaiting(db: Database, name: string): Promise<Waiting> {
  const found = (await findUnfinishedDeliveries(db)).find(({ destination }) => destination === name);
  if (found === undefined) return { waitingBatches: 0, waitingRows: 0 };
  const { deliveries, rows } = found;
  return { waitingBatches: deliveries.sealed + deliveries.sending, waitingRows: rows.sealed + rows.sending };
}

/** What failed or was rejected, and with a range also what was sent. Requests keep their keys and bytes. */
export async function replayAgain(
  db: Database,
  { name, range, dryRun }: Command<'replay'>,
  taking: AbortSignal,
): Promise<CommandResult> {
  if (name === 's3')
    return failure('S3 has each event once. Use `npm run exporter -- --replay-failed`, or --verify --repair.');
  const known = await find(db, name);
  if (known === null) return notThere(name);
  const bounds = { occurredFrom: range?.from ?? null, occurredTo: range?.to ?? null };
  const failed = await findFailed(db, { destination: name, ...bounds, batchId: null });
  const sent = range === null ? { batches: 0, rows: 0 } : await countReplayable(db, { destination: name, ...bounds });
  const counts = toCounts(failed.deliveries.length, failed.rows.length, sent);
  if (dryRun) return success(`${name} would get again: ${describe(counts)}.`, { name, dryRun, ...counts });
  // Their rejected rows come with them.
  const again = range === null ? sent : await replayRange(db, { destination: name, ...bounds }, sent, taking);
  if (taking.aborted)
    return stopped(
      `Stopped. ${name} gets again: ${describe(toCounts(0, 0, again))}. Repeat the command for the others.`,
    );
  const left = range === null ? failed : await findFailed(db, { destination: name, ...bounds, batchId: null });
  const { batchIds } = await replayFailed(db, {
    destination: name,
    batchIds: left.deliveries.map(({ batchId }) => batchId),
    outboxIds: left.rows.map(({ outboxId }) => outboxId),
  });
  // Another replay at the same moment may have taken on a part.
  const own = await countReplayed(db, left, batchIds);
  const done = range === null ? counts : toCounts(own.batches, own.rejectedEvents, again);
  return success(`${name} gets again: ${describe(done)}. ${whoSends(known, 'sends')}`, { name, ...done });
}

async function replayRange(
  db: Database,
  range: Parameters<typeof replayDeliveries>[1],
  found: ReplayCount,
  taking: AbortSignal,
): Promise<ReplayCount> {
  const began = await databaseTime(db);
  const again = { batches: 0, rows: 0 };
  while (!taking.aborted) {
    const { batches, rows } = await replayDeliveries(db, range, began, rowsPerStep);
    if (batches === 0) break;
    again.batches += batches;
    again.rows += rows;
    process.stderr.write(`${again.batches} of ${counted(found.batches, 'batch', 'batches')}\n`);
  }
  return again;
}

interface Counts {
  readonly failedBatches: number;
  readonly rejectedRows: number;
  readonly sentBatches: number;
  readonly sentRows: number;
}

function describe({ failedBatches, rejectedRows, sentBatches, sentRows }: Counts): string {
  return `${counted(failedBatches, 'failed batch', 'failed batches')}, ${counted(rejectedRows, 'rejected row')} and ${counted(sentBatches, 'sent batch', 'sent batches')} (${counted(sentRows, 'row')})`;
}

function toCounts(failedBatches: number, rejectedRows: number, { batches, rows }: ReplayCount): Counts {
  return { failedBatches, rejectedRows, sentBatches: batches, sentRows: rows };
}

export async function backfill(db: Database, { name, since, dryRun }: Command<'backfill'>): Promise<CommandResult> {
  if (name === 's3') return failure('s3 gets every batch when it is sealed; it has no other history.');
  const known = await find(db, name);
  const count = await countHistory(db, name, since);
  if (known === null || count === null) return notThere(name);
  const from = since === null ? 'the beginning' : since;
  if (dryRun)
    return success(`${name} would get ${counted(count, 'batch', 'batches')} from ${from} on.`, {
      name,
      batches: count,
      dryRun,
    });
  if (!(await askForHistory(db, name, since))) return notThere(name);
  return success(`${name} gets ${counted(count, 'batch', 'batches')} from ${from} on. ${whoSends(known, 'adds')}`, {
    name,
    batches: count,
  });
}

/** What the destination would have got is forgotten, so it must be confirmed. A removal that was interrupted goes on. */
export async function remove(
  db: Database,
  { name, isConfirmed, dryRun }: Command<'remove'>,
  isConfigured: boolean,
  taking: AbortSignal,
): Promise<CommandResult> {
  if (name === 's3') return failure('s3 cannot be removed.');
  if (isConfigured)
    return failure(`${name} is in the configuration; an exporter would add it again. Remove it there first.`);
  const known = await find(db, name);
  if (dryRun || !isConfirmed) {
    const [rows, waiting] = [await countLeftovers(db, name), await countWaiting(db, name)];
    if (known === null && rows === 0) return notThere(name);
    const line =
      `${name} would be removed, with ${counted(rows, 'delivery or rejection', 'deliveries and rejections')}. ` +
      `${describeWaiting(waiting)}. They would not be sent.`;
    const json = { name, rows, ...waiting };
    return dryRun ? success(line, { ...json, dryRun }) : failure(`${line} Repeat it with --yes.`, json);
  }
  if (known === null && (await countLeftovers(db, name, 1)) === 0) return notThere(name);
  let rows = 0;
  for (let step = -1; step !== 0 && !taking.aborted; ) {
    step = await removeDestination(db, name, rowsPerStep);
    rows += step;
    if (step > 0) process.stderr.write(`${counted(rows, 'row')}\n`);
  }
  if (taking.aborted)
    return stopped(
      `Stopped. ${counted(rows, 'delivery or rejection is', 'deliveries and rejections are')} removed. Repeat the command.`,
    );
  return success(`${name} is removed, with ${counted(rows, 'delivery or rejection', 'deliveries and rejections')}.`, {
    name,
    rows,
  });
}

async function find(db: Database, name: string): Promise<KnownDestination | null> {
  return (await listDestinations(db)).find((known) => known.name === name) ?? null;
}

function notThere(name: string): CommandResult {
  return failure(`There is no destination ${name}. A running exporter adds those of the configuration.`);
}

function whoSends({ isPaused }: KnownDestination, verb: 'sends' | 'adds'): string {
  const isResumed = isPaused ? ' It is paused, so they are sent once it is resumed.' : '';
  return `A running exporter ${verb} them.${isResumed}`;
}
