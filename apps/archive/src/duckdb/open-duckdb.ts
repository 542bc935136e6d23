import { availableParallelism } from 'node:os';
import { basename, dirname } from 'node:path';
import { endSentence } from '@auditbox/core/text/end-sentence.ts';
import type { DuckDBConnection } from '@duckdb/node-api';
import { ArchiveError } from '../archive-error.ts';

/** DuckDB in this process, without a network and without files other than those of its folder. */
export interface DuckDb {
  connect(): Promise<DuckDBConnection>;
  close(): void;
}

interface DuckDbOptions {
  /** What it may read and write, and where it puts what does not fit into its memory. */
  readonly folder: string;
  readonly memoryMb: number;
  /** Cores that one statement may use. If missing, all cores. */
  readonly threads?: number;
}

/** Throws an ArchiveError where there is no library for this platform. */
export async function openDuckDb({
  folder,
  memoryMb,
  threads = availableParallelism(),
}: DuckDbOptions): Promise<DuckDb> {
  const { DuckDBInstance } = await loadLibrary();
  const instance = await DuckDBInstance.create(':memory:', {
    // Extensions would be fetched from the network. What is needed is linked in: json, parquet, icu.
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    memory_limit: `${memoryMb}MB`,
    threads: String(threads),
    temp_directory: `${folder}/spill`,
  });
  const connection = await instance.connect();
  await connection.run(`set TimeZone = 'UTC'`);
  await connection.run(`set allowed_directories = [${literal(folder)}, ${literal(asPattern(folder))}]`);
  // A statement from elsewhere must not read other files of this machine or send anything.
  await connection.run('set enable_external_access = false');
  await connection.run('set lock_configuration = true');
  connection.closeSync();
  return {
    connect: () => instance.connect(),
    close: () => instance.closeSync(),
  };
}

/** A text in SQL. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/**
 * A file of Parquet, or those that a `*` names, as a table. The folders on the way have names that the user chose: `[` is no
 * pattern, and `tenant=acme` no column.
 */
export function parquetTable(path: string): string {
  return `read_parquet(${literal(asPattern(dirname(path)))} || ${literal(`/${basename(path)}`)}, hive_partitioning = false)`;
}

/** A pattern that only this path matches. */
export function asPattern(path: string): string {
  return path.replaceAll(/[[*?]/g, '[$&]');
}

async function loadLibrary() {
  try {
    const library = await import('@duckdb/node-api');
    // A timestamptz is printed in UTC, as events are, wherever the command runs.
    library.DuckDBTimestampTZValue.timezoneOffsetInMinutes = 0;
    return library;
  } catch (error) {
    throw new ArchiveError(
      `DuckDB cannot be loaded on this platform (${process.platform}-${process.arch}): ${endSentence((error as Error).message)} The commands get, find and restore work without it.`,
    );
  }
}
