import { archiveDestination } from '@auditbox/core/export/archive-destination.ts';
import { counted } from '@auditbox/core/text/counted.ts';
import { findObjectKey } from '@auditbox/db/archive/find-object-key.ts';
import { connectDatabase } from '@auditbox/db/database/connect.ts';
import { ArchiveError, exitCodes } from '../archive-error.ts';
import { type ArchiveObject, toArchiveObject } from '../bucket/archive-object.ts';
import { describeRange, type TimeRange } from '../bucket/time-range.ts';
import type { CommandParts } from '../command-parts.ts';
import type { ArchiveSettings } from '../settings.ts';

export interface GetCommand {
  readonly kind: 'get';
  readonly id: string;
  readonly range: TimeRange;
}

/** Prints an event as it is in its object. Stops at the first line with its id. Resolves to the exit code. */
export async function get(parts: CommandParts, { id, range }: GetCommand): Promise<number> {
  const { archive, settings, progress, write, say, signal } = parts;
  const known = await askDatabase(settings, id, archive.prefix);
  const start = Buffer.from(`{"id":"${id}"`);
  let objects = 0;
  for await (const object of known === null ? archive.list(range) : [known]) {
    objects += 1;
    progress(() => `${counted(objects, 'object')} read; at ${object.path}.`);
    const found = new AbortController();
    let line: string | null = null;
    try {
      await archive.readLines(
        object,
        (bytes) => {
          if (line !== null || bytes.compare(start, 0, start.length, 0, Math.min(start.length, bytes.length)) !== 0)
            return;
          line = bytes.toString();
          found.abort();
        },
        found.signal,
      );
    } catch (error) {
      signal.throwIfAborted();
      if (!found.signal.aborted) throw asUndecided(error, id);
    }
    if (line === null) continue;
    write(`${line}\n`);
    say(`In ${object.key}.\n`);
    return exitCodes.done;
  }
  say(`No event ${id} in ${counted(objects, 'object')} (${describeRange(range)}).\n`);
  return exitCodes.nothingFound;
}

/** An object that cannot be read may have the event. */
function asUndecided(error: unknown, id: string): unknown {
  if (!(error instanceof ArchiveError)) return error;
  return new ArchiveError(
    `${error.message} So it is not known whether the event ${id} is in the archive.`,
    error.exitCode,
  );
}

/** The object, if DATABASE_URL is set and the database still knows the event. */
async function askDatabase({ database }: ArchiveSettings, id: string, prefix: string): Promise<ArchiveObject | null> {
  if (database === null) return null;
  const db = connectDatabase({
    ...database,
    application: 'auditbox archive',
    maxConnections: 1,
    statementTimeoutMs: 30_000,
    onlyReads: 'any',
  });
  try {
    const key = await findObjectKey(db, id, archiveDestination);
    return key === null ? null : toArchiveObject({ key, bytes: 0, etag: '' }, prefix);
  } finally {
    await db.close(1_000);
  }
}
