import { setTimeout as delay } from 'node:timers/promises';
import { readCellFolder } from '@auditbox/core/cells/cell-folder.ts';
import { archiveDestination } from '@auditbox/core/export/archive-destination.ts';
import { partitionEndMs } from '@auditbox/core/export/partition.ts';
import { counted } from '@auditbox/core/text/counted.ts';
import { restoreObject } from '@auditbox/db/archive/restore-object.ts';
import { readCellMark } from '@auditbox/db/cells/cell-mark.ts';
import { readSchemaComment } from '@auditbox/db/cells/read-schema-comment.ts';
import { connectDatabase, type Database } from '@auditbox/db/database/connect.ts';
import { DatabaseError } from '@auditbox/db/database/database-error.ts';
import { type FoundObject, mayAdopt, repairFrontier } from '@auditbox/db/log/adopt-batch.ts';
import { makeMonths } from '@auditbox/db/months/make-months.ts';
import { createLineTree } from '@auditbox/evidence/line-tree.ts';
import { ArchiveError, exitCodes } from '../archive-error.ts';
import type { ArchiveObject } from '../bucket/archive-object.ts';
import type { TimeRange } from '../bucket/time-range.ts';
import type { CommandParts } from '../command-parts.ts';

export interface RestoreCommand {
  readonly kind: 'restore';
  readonly range: TimeRange;
  /** The database to restore into. */
  readonly url: string;
  readonly json: boolean;
}

const statementTimeoutMs = 600_000;
/** An object of ten thousand events needs a second or two. */
const lockTries = 15;
const lockRetryMs = 1_000;
const lockNotAvailable = '55P03';

/**
 * Brings the objects whose folders are in the range back into a database, each in its own transaction. An object is
 * restored whole. Resolves to the exit code.
 *
 * Where it can die: anywhere. The next run inserts what is missing.
 */
export async function restore(parts: CommandParts, { range, url, json }: RestoreCommand): Promise<number> {
  const { archive, settings, progress, write, say } = parts;
  const db = connectDatabase({
    url,
    schema: settings.databaseSchema,
    application: 'auditbox archive',
    maxConnections: 1,
    statementTimeoutMs,
  });
  const counts = { objects: 0, inserted: 0, present: 0 };
  const conflicts: string[] = [];
  const cells = new Set<string>();
  try {
    if (!(await mayAdopt(db)))
      throw new ArchiveError(
        'This login may not restore: --into needs a member of the owner of the schema, which `npm run migrate` has made.',
      );
    await requireOwnCell(db, readCellFolder(archive.prefix));
    for await (const object of archive.list(range)) {
      if (object.cell !== '') {
        cells.add(object.cell);
        continue;
      }
      const { found, lines } = await readWhole(parts, object);
      await makeMonths(db, [new Date(partitionEndMs(object.partition) - 1).toISOString()]);
      const restored = await insist(db, found, lines, parts.signal);
      counts.objects += 1;
      if (restored.kind === 'conflict') conflicts.push(object.key);
      else {
        counts.inserted += restored.inserted;
        counts.present += restored.present;
      }
      progress(
        () => `${counted(counts.objects, 'object')}, ${counted(counts.inserted, 'event')} inserted; at ${object.path}.`,
      );
    }
    // Rows of adopted batches must not be sealed again.
    if (counts.inserted > 0) await repairFrontier(db);
  } finally {
    await db.close(1_000);
  }
  if (cells.size > 0) {
    // Batches of several cells have the same numbers, and one database cannot have both.
    const sentence = `The objects of the cells ${[...cells].join(', ')} were not restored. Restore each cell into its own database or schema (DATABASE_SCHEMA), with S3_PREFIX=${archive.prefix}cell=NAME/.`;
    if (counts.objects === 0) throw new ArchiveError(sentence, exitCodes.refused);
    say(`${sentence}\n`);
  }
  for (const key of conflicts)
    say(`${key} was not restored: this database has one of its events at another time, or in another batch.\n`);
  const exitCode = conflicts.length > 0 ? exitCodes.altered : exitCodes.done;
  write(
    json
      ? `${JSON.stringify({ exitCode, ...counts, conflicts })}\n`
      : `${counted(counts.inserted, 'event')} inserted and ${counts.present} there before, from ${counted(counts.objects, 'object')}; ${counted(conflicts.length, 'object conflicts', 'objects conflict')}.\n`,
  );
  return exitCode;
}

/** The api looks an id up in the cell that its hash names. In another one it would not be found there, and be stored again. */
async function requireOwnCell(db: Database, cell: string | null): Promise<void> {
  const found = readCellMark(await readSchemaComment(db));
  if (cell === null || found === null || found === cell) return;
  throw new ArchiveError(
    `S3_PREFIX is the folder of the cell ${cell}, and --into is the database of the cell ${found}. Restore into the database of ${cell}, or into one that is no cell.`,
    exitCodes.refused,
  );
}

async function readWhole(
  { archive }: CommandParts,
  object: ArchiveObject,
): Promise<{ found: FoundObject; lines: string[] }> {
  const lines: string[] = [];
  const tree = createLineTree();
  const content = await archive.readLines(object, (bytes) => {
    lines.push(bytes.toString());
    tree.add(Buffer.concat([bytes, Buffer.of(10)]));
  });
  const ids = lines.map((line) => /^\{"id":"([0-9a-f-]{36})"/.exec(line)?.[1] ?? '');
  if (ids.includes('')) throw new ArchiveError(`${object.key} has a line that is not an event.`, exitCodes.altered);
  const { sha256, ndjsonBytes: bytes, objectBytes, objectSha256 } = content;
  const { key, batchId, partition } = object;
  return {
    found: { key, batchId, partition, ids, sha256, bytes, objectBytes, objectSha256, lines: tree.root() },
    lines,
  };
}

/** Waits for running writers in short turns, so that other writers do not wait behind it for long. */
async function insist(db: Database, found: FoundObject, lines: readonly string[], signal: AbortSignal) {
  for (let n = 1; ; n += 1) {
    signal.throwIfAborted();
    try {
      return await restoreObject(db, archiveDestination, found, lines);
    } catch (error) {
      if (!(error instanceof DatabaseError && error.code === lockNotAvailable) || n === lockTries) throw error;
      await delay(lockRetryMs, undefined, { signal });
    }
  }
}
