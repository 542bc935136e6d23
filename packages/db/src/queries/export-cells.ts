import type { Database } from '../database/connect.ts';
import { eventTime } from '../sql/event-json.ts';
import type { EventPosition } from './event-order.ts';
import { positionOf } from './order-sql.ts';
import { type ExportPart, partOf } from './part-of.ts';

/** Rows of texts in the order of core's `csvColumns`; null where a value is missing. */
export interface ExportedCells {
  readonly rows: readonly (readonly (string | null)[])[];
  readonly last: EventPosition | null;
}

/** The next events of an export as cells. Called by `GET /audit/export`, part after part; takes no locks. */
export async function exportCells(db: Database, part: ExportPart): Promise<ExportedCells> {
  const rows = (await db.query((sql) =>
    sql`
      select id, updated_at, changed_by, changed_by_api_key, action, table_name, object_id, before_value, updated_values,
        context, recorded_at, position
      from (
        select *, sum(size) over (order by place) - size as bytes_before
        from (
          select a.place, ${positionOf(sql, part.order)} as position,
            a.id::text, ${sql.unsafe(eventTime)} as updated_at, a.changed_by, a.changed_by_api_key, a.action, a.table_name,
            a.object_id, a.before_value::text, a.updated_values::text, a.context::text,
            to_char(a.recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as recorded_at,
            octet_length(concat(a.before_value::text, a.updated_values::text, a.context::text)) as size
          from (${partOf(sql, part)}) a
        ) rendered
      ) measured
      where bytes_before < ${part.maxBytes}
      order by place`.values(),
  )) as unknown as (string | null)[][];
  const position = rows.at(-1)?.at(-1);
  return { rows: rows.map((row) => row.slice(0, -1)), last: position ? JSON.parse(position) : null };
}
