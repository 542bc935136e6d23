import type { Fragment, Sql } from 'postgres';
import type { EventFilter } from './event-filter.ts';
import type { EventOrder, EventPosition } from './event-order.ts';
import { firstOf } from './find-events.ts';
import { matching } from './matching.ts';
import { orderBy } from './order-sql.ts';

/** Which part of an export comes next. */
export interface ExportPart {
  readonly filter: EventFilter;
  readonly order: EventOrder;
  readonly after: EventPosition | null;
  readonly maxRows: number;
  /** No more rows are taken once there are so many bytes. */
  readonly maxBytes: number;
}

/**
 * The rows of a part with their `place`, before anything is rendered: of large values so many as are stored in
 * `maxBytes`, or the megabytes of all `maxRows` would be read for each part. What is stored is compressed, so the lines
 * must be counted too.
 */
export function partOf(sql: Sql, { filter, order, after, maxRows, maxBytes }: ExportPart): Fragment {
  return sql`
    select * from (
      select *, row_number() over so_far as place, sum(stored_bytes) over so_far - stored_bytes as stored_before
      from (
        select *,
          coalesce(pg_column_size(a.before_value), 0) + coalesce(pg_column_size(a.updated_values), 0)
            + coalesce(pg_column_size(a.context), 0) as stored_bytes
        from (${firstOf(sql, matching(sql, filter), order, after, maxRows)}) a
        order by ${orderBy(sql, order)} limit ${maxRows}
      ) a
      window so_far as (order by ${orderBy(sql, order)})
    ) a where stored_before < ${maxBytes}`;
}
