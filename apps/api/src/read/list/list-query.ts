import type { Checked } from '@auditbox/core/event/audit-event.ts';
import type { EventPosition } from '@auditbox/db/queries/event-order.ts';
import { z } from 'zod';
import { type CursorList, readCursor } from '../cursor.ts';
import { filterParameters, orderParameters, partParameters } from '../parameters.ts';
import { readSearch } from '../read-search.ts';
import { toFilter } from '../to-filter.ts';

/** What `GET /audit` was asked for: a page by its number, what comes behind a place, or what was recorded since. */
export type ListQuery = CursorList & { readonly pageSize: number } & (
    | { readonly by: 'page'; readonly page: number }
    | { readonly by: 'cursor'; readonly after: EventPosition | null }
    | { readonly by: 'recording'; readonly after: EventPosition | null }
  );

/** The parameters of `GET /audit`. */
export function listParameters(actions: readonly string[]) {
  return z.strictObject({ ...filterParameters(actions), ...orderParameters, ...partParameters });
}

/** Reads the query of `GET /audit`. */
export function listQueryReader(actions: readonly string[]): (search: URLSearchParams) => Checked<ListQuery> {
  const parameters = listParameters(actions);
  return (search) => {
    const read = readSearch(parameters, search);
    if (!read.ok) return read;
    const { named, values } = read.value;
    const { page, page_size: pageSize, cursor, recorded_after: recordedAfter, sort_by, sort_order } = named;
    const wrong = (path: string, message: string) => ({ ok: false, problems: [{ path, message }] }) as const;
    const isFeed = recordedAfter !== undefined;
    if (isFeed && (sort_by ?? 'recorded_at') !== 'recorded_at')
      return wrong('sort_by', 'must be recorded_at beside recorded_after');
    if (isFeed && (sort_order ?? 'asc') !== 'asc') return wrong('sort_order', 'must be asc beside recorded_after');
    const list: CursorList = {
      filter: { ...toFilter(named, values), ...(isFeed && { recordedAfter }) },
      order: isFeed
        ? { by: 'recorded_at', direction: 'asc' }
        : { by: sort_by ?? 'updated_at', direction: sort_order ?? 'desc' },
    };
    if (cursor === undefined && !isFeed) return { ok: true, value: { ...list, pageSize, by: 'page', page: page ?? 1 } };
    if (page !== undefined) return wrong('page', 'cannot be given beside cursor or recorded_after');
    const by = isFeed ? 'recording' : 'cursor';
    if (cursor === undefined || cursor === '') return { ok: true, value: { ...list, pageSize, by, after: null } };
    const place = readCursor(list, cursor);
    if ('message' in place) return wrong('cursor', place.message);
    return { ok: true, value: { ...list, pageSize, by, after: place.position } };
  };
}
