import type { Database } from '../connect.ts';
import { eventJson } from '../event-json.ts';
import type { BatchRow } from './list-batch-rows.ts';

/**
 * The lines of some rows, in their order; a row whose audit row is missing has none. Called by the exporter, which holds
 * the lease of the rows' batch; takes no locks. If we die, nothing has changed.
 */
export async function renderRows(db: Database, rows: readonly BatchRow[]): Promise<string[]> {
  const ids = JSON.stringify(rows.map(({ auditId }) => auditId));
  const lines = await db.answer(
    () => db.sql<{ line: string }[]>`
      select ${db.sql.unsafe(eventJson)} as line
      from json_array_elements_text(${ids}::text::json) with ordinality as wanted (id, place)
      join audit_log a on a.id = wanted.id::uuid
      order by wanted.place`,
  );
  return lines.map(({ line }) => line);
}
