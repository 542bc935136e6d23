import type { Checked } from '@auditbox/core/event/audit-event.ts';
import type { TenantScope } from '@auditbox/core/keys/tenant-scope.ts';
import { readPathPart } from '@auditbox/core/text/path-part.ts';
import type { EventPosition } from '@auditbox/db/queries/event-order.ts';
import type { Request } from 'express';
import { z } from 'zod';
import { type ArchiveHistoryQuery, readArchiveHistoryQuery } from '../archive/archive-history.ts';
import { hideSecrets } from '../redact/redact.ts';
import { type CursorList, readCursor } from './cursor.ts';
import { filterParameters, partParameters } from './parameters.ts';
import { getSearch, invalid, readQuery } from './read-query.ts';

/** The parameters of a history. */
export function historyParameters() {
  const { start_date, end_date, time_zone } = filterParameters([]);
  const { page_size, cursor } = partParameters;
  const partial = z.enum(['true', 'false'], 'must be true or false').optional();
  return z.strictObject({
    start_date,
    end_date,
    time_zone,
    page_size,
    cursor,
    archive: z
      .enum(['true', 'false'], 'must be true or false')
      .optional()
      .describe(
        '`true`: read the objects in the bucket instead of the database, for events that retention has removed. Needs `start_date` ' +
          'and `end_date`. A page ends early where it has read enough; only a `next_cursor` of null is the end.',
      ),
    partial: partial.describe(
      '`true`: a member that `updated_values` leaves out is unchanged, not removed. Default: `true` except for created, deleted ' +
        'and rotated.',
    ),
  });
}

/** A part of an object's history, oldest first. */
interface HistoryQuery {
  readonly from: 'database';
  readonly object: { readonly table_name: string; readonly object_id: string };
  readonly list: CursorList;
  readonly after: EventPosition | null;
  readonly pageSize: number;
  /** Whether a member that `updated_values` leaves out is unchanged. Null decides by the action. */
  readonly partial: boolean | null;
}

/** The query of a history, from the database or from the archive, or the mistakes in it. */
export function readHistoryQuery(
  parameters: ReturnType<typeof historyParameters>,
  request: Request,
  tenant: TenantScope,
): Checked<HistoryQuery | ArchiveHistoryQuery> {
  const parts = request.params as Record<'table_name' | 'object_id', string>;
  const [table_name, object_id] = [readPathPart(parts.table_name), readPathPart(parts.object_id)];
  const query = readQuery(parameters, getSearch(request));
  if (!query.ok) return query;
  const { named, values } = query.value;
  if (values.length > 0)
    return { ok: false, problems: values.map(({ column }) => ({ path: column, message: 'is not a parameter' })) };
  if (`${table_name}${object_id}`.includes('\0')) return invalid('', 'must not contain U+0000');
  const { start_date: occurredFrom, end_date: occurredTo, page_size: pageSize } = named;
  const list: CursorList = {
    filter: { tenant, tableName: [table_name], objectId: [object_id], occurredFrom, occurredTo },
    order: { by: 'updated_at', direction: 'asc' },
  };
  const partial = named.partial === undefined ? null : named.partial === 'true';
  const object = { table_name: hideSecrets(table_name), object_id: hideSecrets(object_id) };
  if (named.archive === 'true') return readArchiveHistoryQuery({ object, list, pageSize, partial }, named.cursor);
  const history = { from: 'database', object, list, pageSize, partial } as const;
  if (named.cursor === undefined || named.cursor === '') return { ok: true, value: { ...history, after: null } };
  const place = readCursor(list, named.cursor);
  if ('message' in place) return invalid('cursor', place.message);
  return { ok: true, value: { ...history, after: place.position } };
}
