import type { Checked } from '@auditbox/core/event/audit-event.ts';
import { toDatabaseZone } from '@auditbox/core/event/zoned-time.ts';
import type { TenantScope } from '@auditbox/core/keys/tenant-scope.ts';
import { DatabaseError } from '@auditbox/db/database/database-error.ts';
import { type EventCountQuery, groups } from '@auditbox/db/queries/count-by.ts';
import { z } from 'zod';
import { getCaller } from '../http/caller.ts';
import { sendJson } from '../http/json.ts';
import { listActions, type Route } from '../http/route.ts';
import { recordBeginsAt } from './event-answer.ts';
import { filterParameters, toFilter } from './parameters.ts';
import { getSearch, invalid, readQuery, requireValid, valueParameters } from './read-query.ts';
import { preferHeader, readerHeaders } from './readers.ts';

const dayMs = 86_400_000;
/** Postgres has no year 0. */
const firstMs = Date.parse('0001-01-01T00:00:00Z');
/** A chart cannot show more points. */
const maxDays = { minute: 0.25, hour: 31, day: 366 };
const defaultDays = { minute: 1 / 24, hour: 1, day: 30 };
const maxGroups = 20;

function statsParameters(actions: readonly string[]) {
  return z.strictObject({
    ...filterParameters(actions),
    interval: z
      .enum(['minute', 'hour', 'day'], 'must be minute, hour or day')
      .default('day')
      .describe('Default `day`. All are in `time_zone`.'),
    group_by: z
      .enum(groups, `must be one of ${groups.join(', ')}`)
      .optional()
      .describe(`Separate counts for the ${maxGroups} largest groups, and one count for all other events.`),
  });
}

const eventCounts = z
  .strictObject({
    interval: z.enum(['minute', 'hour', 'day']),
    group_by: z.enum(groups).nullable(),
    start_date: z.iso.datetime(),
    end_date: z.iso.datetime(),
    total: z.int(),
    record_begins_at: recordBeginsAt,
    counts: z.array(
      z.strictObject({
        start: z.iso.datetime().describe('Where the minute, hour or day begins, in UTC.'),
        group: z.string().nullable().describe('Null without groups, and for events outside of the largest groups.'),
        count: z.int(),
      }),
    ),
  })
  .meta({
    id: 'EventCounts',
    description: 'How many events happened in each minute, hour or day. Those without events are left out.',
  });

/** `GET /audit/stats`: how many events happened in each minute, hour or day, for charts. */
export const eventStats: Route = {
  method: 'get',
  path: '/audit/stats',
  access: 'audit:read',
  problems: [],
  operation: ({ actions }) => ({
    operationId: 'countEvents',
    summary: 'Count events by minute, hour or day',
    description:
      'Without dates: the last 30 days by day, the last day by hour, or the last hour by minute. At most 366 days by day, 31 days by hour, or 6 hours by minute.',
    requestParams: { query: statsParameters(listActions(actions)) },
    parameters: [valueParameters, preferHeader],
    responses: {
      200: {
        description: 'The counts.',
        headers: readerHeaders,
        content: { 'application/json': { schema: eventCounts } },
      },
    },
  }),
  createHandler: ({ settings, sources }) => {
    const parameters = statsParameters(settings.actions);
    return async (request, response) => {
      const query = requireValid(
        readStatsQuery(parameters, getSearch(request), getCaller(response).tenant, Date.now()),
      );
      const { interval, groupBy, filter } = query;
      const reads = await sources.choose(request, response);
      const counts = await reads.countBy(query).catch(throwZoneProblem);
      const total = counts.reduce((sum, { count }) => sum + count, 0);
      const { occurredFrom: start_date, occurredTo: end_date } = filter;
      const record_begins_at = await reads.getRecordBegin();
      const period = { interval, group_by: groupBy, start_date, end_date };
      sendJson(response, 200, JSON.stringify({ ...period, total, record_begins_at, counts }));
    };
  },
};

/** `nowMs` is in milliseconds since 1970. The counts end there unless the query has an `end_date`. */
function readStatsQuery(
  parameters: ReturnType<typeof statsParameters>,
  search: URLSearchParams,
  tenant: TenantScope,
  nowMs: number,
): Checked<EventCountQuery> {
  const query = readQuery(parameters, search);
  if (!query.ok) return query;
  const { named, values } = query.value;
  const { interval, group_by: groupBy = null, time_zone: zone = 'UTC' } = named;
  const filter = toFilter(named, values, tenant);
  const occurredTo = filter.occurredTo ?? new Date(nowMs).toISOString();
  const occurredFrom =
    filter.occurredFrom ??
    new Date(Math.max(firstMs, Date.parse(occurredTo) - defaultDays[interval] * dayMs)).toISOString();
  if (Date.parse(occurredTo) - Date.parse(occurredFrom) > maxDays[interval] * dayMs) {
    const most = interval === 'minute' ? '6 hours' : `${maxDays[interval]} days`;
    const message = `must be at most ${most} before end_date when counting by ${interval}`;
    return invalid('start_date', message);
  }
  return {
    ok: true,
    value: {
      filter: { ...filter, occurredFrom, occurredTo },
      interval,
      zone: toDatabaseZone(zone),
      groupBy,
      maxGroups,
    },
  };
}

/** The SQLSTATE of a value that a function does not take. Only the zone comes from a caller. */
const invalidParameter = '22023';

/** The database may have an older list of zones than this process, or a shorter one. */
function throwZoneProblem(error: unknown): never {
  if (error instanceof DatabaseError && error.code === invalidParameter)
    requireValid(invalid('time_zone', 'is not a zone that the database knows'));
  throw error;
}
