import { counted } from '@auditbox/core/text/counted.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { type Adoption, adoptBatch, type FoundObject, mayAdopt, repairFrontier } from '@auditbox/db/log/adopt-batch.ts';
import { fixRoot, markPublished, storeNote } from '@auditbox/db/log/checkpoints.ts';
import { readLogNodes } from '@auditbox/db/log/log-entries.ts';
import { numberBatches } from '@auditbox/db/log/number-batches.ts';
import { openLog } from '@auditbox/db/log/open-log.ts';
import { parseBatchEntry } from '@auditbox/evidence/batch-entry.ts';
import { printable } from '@auditbox/evidence/printable.ts';
import { listEdge, rootOf } from '@auditbox/evidence/tree-nodes.ts';
import type { ReconcileCommand } from '../cli.ts';
import type { Destination } from '../destinations/destination.ts';
import { tryAgain } from '../destinations/try-again.ts';
import { describeObject } from '../log/describe-object.ts';
import type { LogStore } from '../log/log-store.ts';
import { appendToLog } from '../log/number-pass.ts';
import { findObject } from '../reconcile/find-object.ts';
import { type BucketLog, readBucketLog } from '../reconcile/read-bucket-log.ts';
import type { ExporterSettings } from '../settings.ts';
import type { Difference } from '../verify/difference.ts';
import { findUnknown } from '../verify/find-unknown.ts';

interface ReconcileParts {
  readonly settings: ExporterSettings;
  readonly db: Database;
  readonly destinationName: string;
  readonly destination: Destination;
  readonly store: LogStore;
}

type Counts = { [Outcome in Adoption | 'foreign']: number };

/**
 * Brings a database that was restored from a backup together with its bucket: objects that only the bucket knows become done
 * batches, so that their rows are not exported again, and the log goes on from where the bucket has it. Nothing in the
 * bucket changes. No exporter may run. Resolves to the exit code: 0 they are together; 1 it could not be done; 3 a person must
 * look at some objects.
 *
 * Where it can die: anywhere. It can be run again.
 */
export async function reconcile(
  parts: ReconcileParts,
  { json }: ReconcileCommand,
  signal: AbortSignal,
): Promise<number> {
  const counts: Counts = { adopted: 0, unknown: 0, conflict: 0, foreign: 0 };
  if (!(await mayAdopt(parts.db))) {
    process.stderr.write(
      'This login may not adopt batches: --reconcile needs the owner of the schema in DATABASE_URL.\n',
    );
    return 1;
  }
  const problem = (await reconcileLog(parts, counts, signal)) ?? (await reconcileObjects(parts, counts, signal));
  if (problem !== null) {
    process.stderr.write(`${problem}\n`);
    return 1;
  }
  if (counts.adopted > 0) await repairFrontier(parts.db);
  const exitCode = counts.conflict + counts.foreign > 0 ? 3 : 0;
  if (json) process.stdout.write(`${JSON.stringify({ exitCode, ...counts })}\n`);
  else
    process.stdout.write(
      `${counted(counts.adopted, 'object is', 'objects are')} known now. ${counted(counts.unknown, 'object has', 'objects have')} only events that this database does not have. ${counted(counts.conflict, 'object has', 'objects have')} events of another batch, and ${counts.foreign} are not an exporter's.\n`,
    );
  return exitCode;
}

/** Appends the entries that only the bucket has. Without a log there is nothing to do. Null, or why it could not be done. */
async function reconcileLog(parts: ReconcileParts, counts: Counts, signal: AbortSignal): Promise<string | null> {
  const { settings, db, destinationName: destination, store } = parts;
  if (settings.log === null) return null;
  const { origin, key } = settings.log;
  const bucket = await readBucketLog(withTries(store), key, sayUnknown, signal);
  if (bucket.kind === 'error') return bucket.message;
  if (bucket.kind === 'unusable') return `The log of the bucket cannot be used: ${bucket.reason}`;
  const head = await openLog(db, { destination, origin });
  if (head.origin !== origin) return `The log of this database is ${head.origin}, and EXPORT_LOG_ORIGIN is ${origin}.`;
  if (
    head.size <= bucket.entries.length &&
    (await rootOfDatabase(db, destination, head.size)) !== bucket.rootAt(head.size)
  )
    return 'The database has numbered other batches than the bucket: two logs have the same name. Verify the bucket, and export to another prefix with another name.';
  for (let index = head.size; index < bucket.entries.length; index += 1) {
    const appended = await appendEntry(parts, bucket, index, counts, signal);
    if (appended !== null) return appended;
  }
  for (const [size, { root, note }] of bucket.checkpoints) {
    const fixed = await fixRoot(db, destination, { size, root });
    if (fixed.root !== root) return `The database has another root for ${counted(size, 'batch', 'batches')}.`;
    if (fixed.note === null) await storeNote(db, destination, { size, note });
  }
  await markPublished(db, destination, Math.max(0, ...bucket.checkpoints.keys()));
  return null;
}

/** Each read is tried again after a transient error: one of thousands must not end the whole command. */
function withTries(store: LogStore): LogStore {
  return {
    ...store,
    list: (folder, after, signal) => tryAgain(() => store.list(folder, after, signal), signal),
    read: (path, signal, mostBytes) => tryAgain(() => store.read(path, signal, mostBytes), signal),
    head: (path, signal) => tryAgain(() => store.head(path, signal), signal),
  };
}

/** A stranger may have chosen the name. */
function sayUnknown(path: string, reason: string): void {
  process.stderr.write(`${printable(path)} is not a file of the log and is ignored: ${printable(reason)}\n`);
}

async function rootOfDatabase(db: Database, destination: string, size: number): Promise<string> {
  const hashes = (await readLogNodes(db, destination, listEdge(size))).map((hash) => Buffer.from(hash, 'hex'));
  return rootOf(size, () => hashes.shift() as Buffer).toString('hex');
}

async function appendEntry(
  parts: ReconcileParts,
  { entries }: BucketLog,
  index: number,
  counts: Counts,
  signal: AbortSignal,
): Promise<string | null> {
  const { db, destinationName: destination } = parts;
  const { text = '', hashes = '' } = entries[index] ?? {};
  const entry = parseBatchEntry(text);
  if (entry === null) return `The entry ${index} of the log is not of a batch.`;
  const key = `${parts.destination.prefix}${entry.key}`;
  const found = await tryAgain(() => findObject(parts.destination, key, signal), signal);
  if (found.kind === 'error') return `The object ${entry.key} cannot be read. ${found.message}`;
  // A missing object is named by --verify and by an auditor. Its entry stays.
  let batchId: string | null = null;
  if (found.kind === 'found' && found.object.sha256 === entry.sha256) {
    const adoption = await adoptBatch(db, destination, found.object);
    counts[adoption] += 1;
    if (adoption === 'adopted') batchId = found.object.batchId;
  } else counts.foreign += 1;
  const moved = await numberBatches(db, { destination, size: index }, [{ index, batchId, entry: text, hashes }]);
  return moved ? null : 'Another process changes the log. Stop all exporters first.';
}

/** Objects that were exported after the newest checkpoint. */
async function reconcileObjects(parts: ReconcileParts, counts: Counts, signal: AbortSignal): Promise<string | null> {
  const { db, destinationName, destination } = parts;
  const unknown: Difference[] = [];
  const error = await findUnknown(
    { ...parts, prefix: destination.prefix },
    { from: null, to: null },
    (difference) => void unknown.push(difference),
    signal,
  );
  if (error !== null) return error.message;
  for (const { what: key } of unknown) {
    const found = await tryAgain(() => findObject(destination, key, signal), signal);
    if (found.kind === 'error') return `The object ${printable(key)} cannot be read. ${found.message}`;
    if (found.kind === 'found') {
      const adoption = await adoptBatch(db, destinationName, found.object);
      counts[adoption] += 1;
      const problem = adoption === 'unknown' ? await logUnknown(parts, found.object, signal) : null;
      if (problem !== null) return problem;
    } else if (found.kind === 'foreign') counts.foreign += 1;
  }
  return null;
}

/** An exporter made the object, and the database lost all of its events. Without an entry an auditor would call it foreign. */
async function logUnknown(
  { settings, db, destinationName, destination }: ReconcileParts,
  object: FoundObject,
  signal: AbortSignal,
): Promise<string | null> {
  process.stderr.write(`The database has no event of ${object.key}.\n`);
  if (settings.log === null) return null;
  // Describing reads the times from its lines.
  const unlogged = { ...object, tenant: null, rows: 0, first: '', last: '', recordedFirst: null, recordedLast: null };
  const described = await describeObject(destination, unlogged, signal);
  if (described.kind === 'error') return described.message;
  if (described.kind === 'different') return described.reason;
  const log = { db, destination, destinationName, origin: settings.log.origin };
  const appended = await appendToLog(log, [{ ...described.batch, batchId: null }]);
  return appended ? null : 'Another process changes the log. Stop all exporters first.';
}
