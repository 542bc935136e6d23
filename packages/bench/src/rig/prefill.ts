import { eventsSql } from '../workload/events-sql.ts';
import type { BenchDatabase } from './rig.ts';

export const prefilledColumns =
  'id, occurred_at, occurred_at_digits, changed_by, changed_by_api_key, action, table_name, object_id, before_value, updated_values, context';
const rowsPerStatement = 50_000;

/** For an exporter of prefilled rows. They are younger than the default linger; the rows of a real backlog are older. */
export const oldBacklog = { EXPORT_LINGER_MS: '0' };

/** Indexes that only reads use. Without them, filling a backlog of millions is twice as fast. */
const readIndexes = ['recorded_at_id', 'changed_by', 'changed_by_api_key', 'action', 'table_name', 'object_id'];
const fewRows = 1_000_000;

/** Inserts pending events of the workload. The trigger writes their outbox rows. */
export async function prefill({ sql }: BenchDatabase, rows: number): Promise<void> {
  if (rows > fewRows)
    await sql.unsafe(`drop index ${readIndexes.map((name) => `auditbox.audit_log_${name}`).join(', ')}`);
  for (let first = 1; first <= rows; first += rowsPerStatement) {
    const last = Math.min(rows, first + rowsPerStatement - 1);
    await sql.unsafe(`insert into auditbox.audit_log (${prefilledColumns}) ${eventsSql(String(first), String(last))}`);
  }
  await sql`vacuum analyze`;
}
