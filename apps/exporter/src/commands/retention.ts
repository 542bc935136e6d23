import { counted } from '@auditbox/core/text/counted.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { DatabaseError } from '@auditbox/db/database/database-error.ts';
import { type ExpiredMonth, forgetDropped, listExpiredMonths } from '@auditbox/db/months/expired-months.ts';
import { untilAborted } from '@auditbox/process/shutdown.ts';
import { schedule } from 'node-cron';
import type { RetentionCommand } from '../cli.ts';
import type { Destination } from '../destinations/destination.ts';
import type { ExporterLog } from '../log.ts';
import { type MonthResult, removeMonth } from '../retention/remove-month.ts';
import type { ExporterSettings } from '../settings.ts';

interface RetentionParts {
  readonly settings: ExporterSettings;
  readonly db: Database;
  readonly destinationName: string;
  readonly destination: Destination;
  readonly log: ExporterLog;
}

const insufficientPrivilege = '42501';
const batchesPerDelete = 20;
const progressEveryMs = 5_000;

/**
 * Removes the months whose events are all older than AUDIT_RETENTION_DAYS, after it read their objects back from the bucket.
 * With RETENTION_SCHEDULE it runs until it is told to stop, otherwise once. Resolves to the exit code: 0 every expired
 * month is removed; 1 the database or the bucket could not be used; 2 a month was kept, or it was told to stop.
 */
export async function retention(
  parts: RetentionParts,
  command: RetentionCommand,
  taking: AbortSignal,
): Promise<number> {
  const { schedule: times } = parts.settings.retention;
  if (times === null || command.dryRun) return runOnce(parts, command, taking);
  const task = schedule(times, () => runOnce(parts, command, taking), { noOverlap: true, timezone: 'UTC' });
  await untilAborted(taking);
  await task.destroy();
  return 0;
}

async function runOnce(parts: RetentionParts, command: RetentionCommand, taking: AbortSignal): Promise<number> {
  try {
    return await removeExpired(parts, command, taking);
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    if (error.code === insufficientPrivilege) parts.log.retentionForbidden(error);
    else parts.log.commandFailed(error);
    return 1;
  }
}

async function removeExpired(parts: RetentionParts, command: RetentionCommand, taking: AbortSignal): Promise<number> {
  const { db, log, settings } = parts;
  const { days } = settings.retention;
  if (days === null) {
    if (command.json) print(command, []);
    else process.stdout.write('AUDIT_RETENTION_DAYS is not set, so all months are kept.\n');
    return 0;
  }
  // An earlier run may have ended between its two steps.
  if (!command.dryRun) await forgetAll(db, taking);
  const results: Array<{ month: ExpiredMonth; result: MonthResult }> = [];
  for (const month of await listExpiredMonths(db, days)) {
    if (taking.aborted) break;
    const onProgress = showProgress(month);
    const reading = { ...parts, concurrency: settings.send.concurrency, onProgress };
    const result = await removeMonth(reading, month, command, taking);
    results.push({ month, result });
    const about = { month: month.name, retentionDays: days };
    if (result.kind === 'kept') log.monthKept({ ...about, reason: result.reason });
    if (result.kind === 'removed' && !command.dryRun) {
      log.monthRemoved({ ...about, objects: result.objects, events: result.rows });
      await forgetAll(db, taking);
    }
    // The bucket refuses: other months would meet the same.
    if (result.kind === 'error') {
      log.bucketUnusable({ ...where(parts), code: result.code, reason: result.message });
      break;
    }
  }
  print(command, results);
  if (results.some(({ result }) => result.kind === 'error')) return 1;
  return taking.aborted || results.some(({ result }) => result.kind === 'kept' || result.kind === 'stopped') ? 2 : 0;
}

async function forgetAll(db: Database, taking: AbortSignal): Promise<void> {
  while (!taking.aborted && (await forgetDropped(db, batchesPerDelete)) > 0);
}

function where({ settings, destination }: RetentionParts) {
  return { bucket: settings.s3.bucket, prefix: destination.prefix };
}

function showProgress({ name }: ExpiredMonth): (objects: number) => void {
  let shownAt = performance.now();
  return (objects) => {
    if (performance.now() - shownAt < progressEveryMs) return;
    shownAt = performance.now();
    process.stderr.write(`${name}: ${counted(objects, 'object')} read back.\n`);
  };
}

function print(
  { dryRun, json }: RetentionCommand,
  results: ReadonlyArray<{ month: ExpiredMonth; result: MonthResult }>,
): void {
  if (json) {
    const months = results.map(({ month, result: { kind: outcome, ...about } }) => ({
      month: month.name,
      outcome,
      ...about,
    }));
    process.stdout.write(`${JSON.stringify({ dryRun, months })}\n`);
    return;
  }
  if (results.length === 0) process.stdout.write('No month is past AUDIT_RETENTION_DAYS.\n');
  for (const { month, result } of results) process.stdout.write(`${month.name}\t${sayResult(result, dryRun)}\n`);
}

function sayResult(result: MonthResult, dryRun: boolean): string {
  switch (result.kind) {
    case 'removed':
      return `${dryRun ? 'would be removed' : 'removed'}: ${counted(result.rows, 'event is', 'events are')} in ${counted(result.objects, 'object')}`;
    case 'kept':
      return `kept: ${result.reason}`;
    case 'gone':
      return 'was removed by another run';
    case 'stopped':
      return 'kept: this run was stopped.';
    case 'error':
      return `kept: ${result.message}`;
    default:
      return result satisfies never;
  }
}
