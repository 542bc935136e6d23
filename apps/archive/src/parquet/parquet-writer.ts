import { eventColumns, toRow } from '@auditbox/core/event/event-columns.ts';
import type { DuckDBConnection } from '@duckdb/node-api';
import { type DuckDb, literal } from '../duckdb/open-duckdb.ts';

/** Changes when a file of this version has other columns than one before. */
export const parquetVersion = 1;

/** Collects events and writes them to a file of Parquet. One file at a time. */
export interface ParquetWriter {
  /** The lines that follow are those of this object. */
  startObject(path: string): void;
  addLine(line: Buffer): void;
  /** Writes what was added since the last file, in the order of event time and id. */
  write(file: string, about?: Readonly<Record<string, string>>): Promise<void>;
  /** Forgets what was added since the last file. */
  discard(): Promise<void>;
  close(): void;
}

/** DuckDB holds this many rows of each thread in memory while it writes. Events are a kilobyte, and may be a megabyte. */
export const rowGroupRows = 20_480;

/**
 * DuckDB makes a Bloom filter of a column's dictionary. So every column may have a dictionary as large as a row group: ids too,
 * whose values never repeat. Texts longer than about 98 bytes get none: nobody looks for a whole value, and it would make the
 * file larger.
 */
const dictionaryBytes = rowGroupRows * 102;

/** A vector of DuckDB. */
const chunkRows = 2048;
/** Lines of a megabyte are given to DuckDB sooner: two thousand of them would need gigabytes here. */
const chunkBytes = 16 * 1024 * 1024;

const names = ['object', 'line', ...eventColumns.map(({ name }) => name)];

export async function createParquetWriter(duckdb: DuckDb): Promise<ParquetWriter> {
  const { DuckDBDataChunk, INTEGER, VARCHAR } = await import('@duckdb/node-api');
  const connection = await duckdb.connect();
  await startTable(connection);
  const types = names.map((name) => (name === 'line' ? INTEGER : VARCHAR));
  let appender = await connection.createAppender('incoming');
  let rows: (string | number | null)[][] = [];
  let rowBytes = 0;
  let object = '';
  let line = 0;

  function flush(): void {
    if (rows.length === 0) return;
    const chunk = DuckDBDataChunk.create(types, rows.length);
    for (const place of types.keys())
      chunk.setColumnValues(
        place,
        rows.map((row) => row[place] ?? null),
      );
    appender.appendDataChunk(chunk);
    rows = [];
    rowBytes = 0;
  }

  async function restart(): Promise<void> {
    rows = [];
    rowBytes = 0;
    appender.closeSync();
    await startTable(connection);
    appender = await connection.createAppender('incoming');
  }

  return {
    startObject(path) {
      object = path;
      line = 0;
    },
    addLine(bytes) {
      rows.push([object, line, ...toRow(bytes.toString())]);
      line += 1;
      rowBytes += bytes.length;
      if (rows.length === chunkRows || rowBytes >= chunkBytes) flush();
    },
    async write(file, about = {}) {
      flush();
      appender.flushSync();
      const marks = Object.entries({ 'auditbox.version': String(parquetVersion), ...about });
      await connection.run(`
        copy (
          select ${eventColumns.map(({ name }) => name).join(', ')}, updated_at::timestamptz as occurred_at, object, line
          from incoming order by occurred_at, id
        ) to ${literal(file)} (
          format parquet, compression zstd, row_group_size ${rowGroupRows},
          dictionary_size_limit ${rowGroupRows}, string_dictionary_page_size_limit ${dictionaryBytes},
          kv_metadata {${marks.map(([name, value]) => `${literal(name)}: ${literal(value)}`).join(', ')}}
        )`);
      await restart();
    },
    discard: restart,
    close() {
      appender.closeSync();
      connection.closeSync();
    },
  };
}

async function startTable(connection: DuckDBConnection): Promise<void> {
  const columns = names.map((name) => `${name} ${name === 'line' ? 'integer' : 'varchar'}`);
  await connection.run(`create or replace temporary table incoming (${columns.join(', ')})`);
}
