import type { Checked } from '@auditbox/core/event/audit-event.ts';
import type { EventPosition } from '@auditbox/db/queries/event-order.ts';
import { z } from 'zod';
import { type CursorList, readCursor } from '../cursor.ts';
import { filterParameters, partParameters } from '../parameters.ts';
import { readSearch } from '../read-search.ts';

/** A part of an object's history, oldest first. */
export interface HistoryQuery {
  readonly list: CursorList;
  readonly after: EventPosition | null;
  readonly pageSize: number;
  /** Whether values that leave members out leave them as they were; null decides by the action. */
  readonly partial: boolean | null;
}

/** The parameters of `GET /audit/objects/:table_name/:object_id`. */
export function historyParameters() {
  const { start_date, end_date } = filterParameters([]);
  const { page_size, cursor } = partParameters;
  const partial = z.enum(['true', 'false'], 'must be true or false').optional();
  return z.strictObject({
    start_date,
    end_date,
    page_size,
    cursor,
    partial: partial.describe(
      '`true`: a member that `updated_values` leaves out is unsaid, not removed. Default: so but for created, deleted and rotated.',
    ),
  });
}

/** Reads the query of an object's history. */
export function historyQueryReader(): (
  tableName: string,
  objectId: string,
  search: URLSearchParams,
) => Checked<HistoryQuery> {
  const parameters = historyParameters();
  return (tableName, objectId, search) => {
    const read = readSearch(parameters, search);
    if (!read.ok) return read;
    const { named, values } = read.value;
    if (values.length > 0)
      return { ok: false, problems: values.map(({ column }) => ({ path: column, message: 'is not a parameter' })) };
    if (`${tableName}${objectId}`.includes('\0'))
      return { ok: false, problems: [{ path: '', message: 'must not contain U+0000' }] };
    const list: CursorList = {
      filter: {
        tableName: [tableName],
        objectId: [objectId],
        occurredFrom: named.start_date,
        occurredTo: named.end_date,
      },
      order: { by: 'updated_at', direction: 'asc' },
    };
    const partial = named.partial === undefined ? null : named.partial === 'true';
    const query = { list, pageSize: named.page_size, partial };
    if (named.cursor === undefined || named.cursor === '') return { ok: true, value: { ...query, after: null } };
    const place = readCursor(list, named.cursor);
    if ('message' in place) return { ok: false, problems: [{ path: 'cursor', message: place.message }] };
    return { ok: true, value: { ...query, after: place.position } };
  };
}
