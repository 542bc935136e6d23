import type { Database } from '../connect.ts';
import { eventJson } from '../event-json.ts';

/** The columns that a list can be sorted by, under their names on the wire. */
export const sortableColumns = {
  updated_at: 'occurred_at',
  recorded_at: 'recorded_at',
  changed_by: 'changed_by',
  changed_by_api_key: 'changed_by_api_key',
  action: 'action',
  table_name: 'table_name',
  object_id: 'object_id',
  id: 'id',
} as const;

/** Which events to list, in which order, and which page of them. Every filter given must match. */
export interface EventQuery {
  readonly changedBy?: string | undefined;
  readonly changedByApiKey?: string | undefined;
  readonly action?: string | undefined;
  readonly tableName?: string | undefined;
  readonly objectId?: string | undefined;
  /** First and last event time, both included; ISO 8601 in UTC. */
  readonly occurredFrom?: string | undefined;
  readonly occurredTo?: string | undefined;
  readonly sortBy: keyof typeof sortableColumns;
  readonly sortOrder: 'asc' | 'desc';
  /** From 1. */
  readonly page: number;
  readonly pageSize: number;
}

/** One page and the number of all matching events, both of the same moment. */
export interface EventPage {
  readonly total: number;
  /** The events as JSON, in order. */
  readonly events: readonly string[];
}

/**
 * Called by `GET /audit`. One statement, so that the page and the total are of one snapshot; takes no locks. Ties are
 * broken by id, so that a page's place is the same each time.
 */
export async function findEvents(db: Database, query: EventQuery): Promise<EventPage> {
  const { sql } = db;
  const matching = sql`
    from audit_log a
    where true
    ${query.changedBy === undefined ? sql`` : sql`and a.changed_by = ${query.changedBy}`}
    ${query.changedByApiKey === undefined ? sql`` : sql`and a.changed_by_api_key = ${query.changedByApiKey}`}
    ${query.action === undefined ? sql`` : sql`and a.action = ${query.action}`}
    ${query.tableName === undefined ? sql`` : sql`and a.table_name = ${query.tableName}`}
    ${query.objectId === undefined ? sql`` : sql`and a.object_id = ${query.objectId}`}
    ${query.occurredFrom === undefined ? sql`` : sql`and a.occurred_at >= ${query.occurredFrom}::timestamptz`}
    ${query.occurredTo === undefined ? sql`` : sql`and a.occurred_at <= ${query.occurredTo}::timestamptz`}`;
  const column = sql(`a.${sortableColumns[query.sortBy]}`);
  const direction = query.sortOrder === 'asc' ? sql`asc` : sql`desc`;
  const offset = (query.page - 1) * query.pageSize;
  const rows = await db.answer(
    () => sql<{ total: string; json: string | null }[]>`
    select counted.total, page.json
    from (select count(*) as total ${matching}) counted
    left join lateral (
      select ${sql.unsafe(eventJson)} as json, ${column} as sort_value, a.id ${matching}
      order by ${column} ${direction}, a.id ${direction}
      limit ${query.pageSize} offset ${offset}
    ) page on true
    order by page.sort_value ${direction}, page.id ${direction}`,
  );
  // A page behind the last one is one row without an event.
  return { total: Number(rows[0]?.total), events: rows.flatMap(({ json }) => json ?? []) };
}
