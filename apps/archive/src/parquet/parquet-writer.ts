import { columnOf, type EventRow, eventColumns, toRow } from '@auditbox/core/event/event-columns.ts';
import { parseEventTime } from '@auditbox/core/event/event-time.ts';
import { interruptWith } from '../duckdb/interrupt-with.ts';
import { asPattern, type DuckDb, literal } from '../duckdb/open-duckdb.ts';
import { createLineSorter } from './line-sorter.ts';

/** Changes when a file of this version has other columns than one before. */
export const parquetVersion = 1;

/** Collects events and writes them to a file of Parquet. One file at a time. */
export interface ParquetWriter {
  /** The lines that follow are those of this object. */
  startObject(path: string): void;
  /** Throws a SyntaxError when the line is not an event. */
  addLine(line: Buffer): void;
  /** Writes what was added since the last file, in the order of event time and id. Ends early when the signal is aborted, and throws. */
  write(file: string, about?: Readonly<Record<string, string>>): Promise<void>;
  /** Forgets what was added since the last file. */
  discard(): Promise<void>;
  close(): Promise<void>;
}

/** DuckDB holds this many rows of each thread in memory while it writes. Events are a kilobyte, and may be a megabyte. */
export const rowGroupRows = 20_480;

/**
 * DuckDB makes a Bloom filter of a column's dictionary. So every column may have a dictionary as large as a row group: ids too,
 * whose values never repeat. Texts longer than about 98 bytes get none: nobody looks for a whole value, and it would make the
 * file larger.
 */
const dictionaryBytes = rowGroupRows * 102;

/** DuckDB reads twice this much at once, or twice the longest line. */
const leastLineBytes = 1024 * 1024;

const names = ['object', 'line', ...eventColumns.map(({ name }) => name)];

/** It keeps lines in files of the folder until it is closed. */
export async function createParquetWriter(duckdb: DuckDb, folder: string, signal: AbortSignal): Promise<ParquetWriter> {
  const connection = await duckdb.connect();
  const sorter = await createLineSorter(folder);
  const toKey = createKeys();
  let longest = 0;
  let object = '';
  let line = 0;

  async function clear(): Promise<void> {
    longest = 0;
    await sorter.clear();
  }

  return {
    startObject(path) {
      object = path;
      line = 0;
    },
    addLine(bytes) {
      const row = toRow(bytes.toString());
      longest = Math.max(longest, sorter.add(toKey(row), toTextMembers(object, line, row)));
      line += 1;
    },
    async write(file, about = {}) {
      const marks = Object.entries({ 'auditbox.version': String(parquetVersion), ...about });
      const lines = linesTable(await sorter.sort(signal), longest);
      const release = interruptWith(signal, connection);
      try {
        await connection.run(`
          copy (
            select ${eventColumns.map(({ name }) => name).join(', ')}, updated_at::timestamptz as occurred_at, object, line
            from ${lines}
          ) to ${literal(file)} (
            format parquet, compression zstd, row_group_size ${rowGroupRows},
            dictionary_size_limit ${rowGroupRows}, string_dictionary_page_size_limit ${dictionaryBytes},
            kv_metadata {${marks.map(([name, value]) => `${literal(name)}: ${literal(value)}`).join(', ')}}
          )`);
      } finally {
        release();
      }
      await clear();
    },
    discard: clear,
    async close() {
      connection.closeSync();
      await sorter.close();
    },
  };
}

/** A row as JSON whose values are texts, because DuckDB's reader changes other values. */
function toTextMembers(object: string, line: number, row: EventRow): string {
  let text = `{"object":${JSON.stringify(object)},"line":${line}`;
  for (const [place, { name }] of eventColumns.entries()) {
    const value = row[place] ?? null;
    if (value !== null) text += `,"${name}":${JSON.stringify(value)}`;
  }
  return `${text}}`;
}

/** A time as the exporter writes it. */
const timeForm = /^(\d{4}-\d\d-\d\dT[\d:]{8})(?:\.(\d{1,6}))?Z$/;

/**
 * Makes the function that returns the key of a row. The order of keys is that of event time and id. It throws a SyntaxError when
 * the event has no time.
 */
function createKeys(): (row: EventRow) => string {
  // Most lines have the second of the line before. Checking each again would need 2 to 5 µs for a line.
  let checked: string | null = null;
  return (row) => {
    const [, second = '', digits = ''] = timeForm.exec(columnOf(row, 'updated_at') ?? '') ?? [];
    if (second !== checked && !isSecond(second)) throw new SyntaxError('It has no event time.');
    checked = second;
    return `${second}.${digits.padEnd(6, '0')} ${columnOf(row, 'id')}`;
  };
}

function isSecond(text: string): boolean {
  // DuckDB has no leap seconds. `parseEventTime` answers one with the second before it.
  return parseEventTime(`${text}Z`)?.utc.slice(0, text.length) === text;
}

/** The lines of a file, of which the longest has this many bytes. */
function linesTable(path: string, longest: number): string {
  const columns = names.map((name) => `${name}: '${name === 'line' ? 'integer' : 'varchar'}'`);
  return `read_json(${literal(asPattern(path))}, format = 'newline_delimited', compression = 'uncompressed', hive_partitioning = false,
    columns = {${columns.join(', ')}}, maximum_object_size = ${Math.max(leastLineBytes, longest)})`;
}
