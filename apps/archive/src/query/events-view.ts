import { eventColumns } from '@auditbox/core/event/event-columns.ts';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { TimeRange } from '../bucket/time-range.ts';
import { literal, parquetTable } from '../duckdb/open-duckdb.ts';

/** Makes the view `events` over the files of a folder. With no file it is empty. */
export async function createEventsView(
  connection: DuckDBConnection,
  folder: string,
  hasFiles: boolean,
  { from, to }: TimeRange,
): Promise<void> {
  const columns = [
    ...eventColumns.map(({ name }) => [name, 'varchar']),
    ['occurred_at', 'timestamptz'],
    ['object', 'varchar'],
    ['line', 'integer'],
  ];
  const conditions = [
    ...(from === null ? [] : [`occurred_at >= ${literal(from)}::timestamptz`]),
    ...(to === null ? [] : [`occurred_at <= ${literal(to)}::timestamptz`]),
  ];
  const source = hasFiles
    ? `select ${columns.map(([name]) => name).join(', ')} from ${parquetTable(`${folder}/*.parquet`)}
       where ${['true', ...conditions].join(' and ')}`
    : `select ${columns.map(([name, type]) => `null::${type} as ${name}`).join(', ')} where false`;
  await connection.run(`create view events as ${source}`);
}
