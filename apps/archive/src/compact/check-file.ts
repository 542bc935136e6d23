import { createHash, type Hash } from 'node:crypto';
import { eventColumns, toLine } from '@auditbox/core/event/event-columns.ts';
import { ArchiveError } from '../archive-error.ts';
import { type DuckDb, parquetTable } from '../duckdb/open-duckdb.ts';
import { readRows } from '../duckdb/read-rows.ts';
import type { CoveredObject } from './manifest.ts';

interface Progress {
  readonly hash: Hash;
  rows: number;
}

/**
 * Makes the lines of each object again from a file of Parquet and compares their hash with that of the object: each byte of
 * each row is compared. The rows of an object stand in the order of its lines, because both are sorted by event time and id,
 * so the file is read once and without a sort. Throws an ArchiveError at a difference, and when the signal is aborted.
 */
export async function checkFile(
  duckdb: DuckDb,
  file: string,
  objects: readonly CoveredObject[],
  signal: AbortSignal,
): Promise<void> {
  const made = new Map<string, Progress>(objects.map(({ path }) => [path, { hash: createHash('sha256'), rows: 0 }]));
  const connection = await duckdb.connect();
  try {
    const result = await connection.stream(`
      select object, line, ${eventColumns.map(({ name }) => name).join(', ')} from ${parquetTable(file)}`);
    for await (const chunk of result) {
      signal.throwIfAborted();
      for (const one of readRows(chunk)) {
        const [path, line, ...row] = one as [string, number, ...(string | null)[]];
        const object = made.get(path);
        if (object === undefined || object.rows !== line) throw differs(path);
        object.hash.update(`${toLine(row)}\n`);
        object.rows += 1;
      }
    }
  } finally {
    connection.closeSync();
  }
  for (const { path, rows, sha256 } of objects) {
    const object = made.get(path);
    if (object?.rows !== rows || object.hash.digest('hex') !== sha256) throw differs(path);
  }
}

function differs(path: string): ArchiveError {
  return new ArchiveError(`The compacted file does not hold the lines of ${path}. It is not used.`);
}
