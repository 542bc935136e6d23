import { readdir } from 'node:fs/promises';
import { ArchiveError } from '../archive-error.ts';
import type { TimeRange } from '../bucket/time-range.ts';
import { openObjectCache } from '../cache/object-cache.ts';
import type { CommandParts } from '../command-parts.ts';
import { openDuckDb } from '../duckdb/open-duckdb.ts';
import { createEventsView } from '../query/events-view.ts';
import { gatherFiles } from '../query/gather-files.ts';
import { printRows, type RowFormat } from '../query/print-rows.ts';

export interface QueryCommand {
  readonly kind: 'query';
  readonly sql: string;
  readonly range: TimeRange;
  readonly format: RowFormat;
  /** False reads the objects themselves, also where a compacted file has their events. */
  readonly usesParquet: boolean;
}

/** Runs one statement of SQL over the events of a range. Resolves to the exit code. */
export async function query(parts: CommandParts, { sql, range, format, usesParquet }: QueryCommand): Promise<number> {
  const { archive, settings, progress, write, signal } = parts;
  const { folder: root, maxBytes } = settings.cache;
  const cache = await openObjectCache(root, maxBytes);
  try {
    const duckdb = await openDuckDb({ folder: cache.folder, memoryMb: settings.memoryMb });
    try {
      const gathered = await gatherFiles(
        { archive, cache, duckdb, maxBytes, progress, parquetPrefix: usesParquet ? settings.parquetPrefix : null },
        range,
      );
      progress(() => `Fetched ${gathered.objects} objects; running the statement.`);
      const connection = await duckdb.connect();
      signal.addEventListener('abort', () => connection.interrupt());
      const hasFiles = (await readdir(cache.folder)).some((name) => name.endsWith('.parquet'));
      await createEventsView(connection, cache.folder, hasFiles, range);
      await run(async () => {
        if ((await connection.extractStatements(sql)).count !== 1) throw new Error('Give one statement.');
        await printRows(await connection.stream(sql), format, write);
      });
      return 0;
    } finally {
      duckdb.close();
    }
  } finally {
    await cache.close();
  }
}

/** The statement is the user's, so its error is a sentence to show. */
async function run(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw new ArchiveError(`The statement failed: ${(error as Error).message}`);
  }
}
