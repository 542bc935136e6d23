import { eventsSql } from '../workload/events-sql.ts';
import type { BenchDatabase } from './rig.ts';

const columns =
  'id, occurred_at, occurred_at_digits, changed_by, changed_by_api_key, action, table_name, object_id, before_value, updated_values, context';
const rowsPerStatement = 50_000;

/** For an exporter of prefilled rows: they are younger than the default linger, which a real backlog is not. */
export const oldBacklog = { EXPORT_LINGER_MS: '0' };

/** Those that only questions use; with them a backlog of millions takes twice as long to make. */
const questionIndexes = ['recorded_at_id', 'changed_by', 'changed_by_api_key', 'action', 'table_name', 'object_id'];
const fewRows = 1_000_000;

/** Records events of the workload, all of them pending. */
export async function prefill({ sql }: BenchDatabase, rows: number): Promise<void> {
  if (rows > fewRows) await sql.unsafe(`drop index ${questionIndexes.map((name) => `audit_log_${name}`).join(', ')}`);
  for (let first = 1; first <= rows; first += rowsPerStatement) {
    const last = Math.min(rows, first + rowsPerStatement - 1);
    await sql.unsafe(`insert into audit_log (${columns}) ${eventsSql(String(first), String(last))}`);
  }
  await sql`vacuum analyze`;
}
