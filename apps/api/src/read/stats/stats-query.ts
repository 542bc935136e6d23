import type { Checked } from '@auditbox/core/event/audit-event.ts';
import { type EventCountQuery, groups } from '@auditbox/db/queries/count-by.ts';
import { z } from 'zod';
import { filterParameters } from '../parameters.ts';
import { readSearch } from '../read-search.ts';
import { toFilter } from '../to-filter.ts';

const dayMs = 86_400_000;
/** Postgres has no year 0. */
const firstMs = Date.parse('0001-01-01T00:00:00Z');
/** As many points as a chart can show. */
const longestDays = { hour: 31, day: 366 };
const defaultDays = { hour: 1, day: 30 };
const maxGroups = 20;

/** The parameters of `GET /audit/stats`. */
export function statsParameters(actions: readonly string[]) {
  return z.strictObject({
    ...filterParameters(actions),
    interval: z.enum(['hour', 'day'], 'must be hour or day').default('day').describe('Default `day`; both in UTC.'),
    group_by: z
      .enum(groups, `must be one of ${groups.join(', ')}`)
      .optional()
      .describe(`Counts for each of the ${maxGroups} largest, and one for the rest.`),
  });
}

/** Reads the query of `GET /audit/stats`. `now` is in milliseconds since 1970; the time ends there unless it is said. */
export function statsQueryReader(
  actions: readonly string[],
): (search: URLSearchParams, now: number) => Checked<EventCountQuery> {
  const parameters = statsParameters(actions);
  return (search, now) => {
    const read = readSearch(parameters, search);
    if (!read.ok) return read;
    const { named, values } = read.value;
    const { interval, group_by: groupBy = null } = named;
    const filter = toFilter(named, values);
    const occurredTo = filter.occurredTo ?? new Date(now).toISOString();
    const occurredFrom =
      filter.occurredFrom ??
      new Date(Math.max(firstMs, Date.parse(occurredTo) - defaultDays[interval] * dayMs)).toISOString();
    if (Date.parse(occurredTo) - Date.parse(occurredFrom) > longestDays[interval] * dayMs) {
      const message = `must be at most ${longestDays[interval]} days before end_date when counting by ${interval}`;
      return { ok: false, problems: [{ path: 'start_date', message }] };
    }
    return { ok: true, value: { filter: { ...filter, occurredFrom, occurredTo }, interval, groupBy, maxGroups } };
  };
}
