import { archiveDestination as destination } from '@auditbox/core/export/archive-destination.ts';
import { listPartitionStates, openReasons } from '@auditbox/db/archive/partition-states.ts';
import { z } from 'zod';
import { ofEachCell } from '../cells/of-each-cell.ts';
import { sendJson } from '../http/json.ts';
import type { Route } from '../http/route.ts';
import { filterParameters } from '../read/parameters.ts';
import { getSearch, invalid, readQuery, requireValid } from '../read/read-query.ts';

const dayMs = 86_400_000;
const maxDays = { hour: 31, day: 366 } as const;

function hoursParameters() {
  const { start_date, end_date, time_zone } = filterParameters([]);
  return z.strictObject({
    start_date: start_date.unwrap().describe('A moment in the first hour: RFC 3339 or a date.'),
    end_date: end_date.unwrap().describe('A moment in the last hour: RFC 3339 or a date.'),
    time_zone,
    interval: z
      .enum(['hour', 'day'], 'must be hour or day')
      .default('hour')
      .describe('Default `hour`. Both are in UTC, as the folders of the archive. `day` if EXPORT_PARTITION is `day`.'),
  });
}

const hourState = z
  .strictObject({
    partition: z.string().describe('The UTC hour `2026-07-03T11`, or the day `2026-07-03`.'),
    cell: z.string().optional().describe('With DATABASE_CELLS: each cell has its own objects.'),
    state: z
      .enum(['complete', 'open'])
      .describe('`complete`: every event of it that is recorded is in the archive. A late event opens it again.'),
    open_because: z.enum(openReasons).nullable(),
    objects: z.int().describe('Objects in the archive. It only grows: with the same number, the objects are the same.'),
    rows: z.int().describe('Events in these objects.'),
    waiting_batches: z.int().describe('Batches that have not arrived.'),
    last_done_at: z.iso.datetime().nullable().describe('When the last object arrived.'),
  })
  .meta({ id: 'HourState' });

const hourStates = z
  .strictObject({ hours: z.array(hourState) })
  .meta({ id: 'HourStates', description: 'Which hours or days of event time are whole in the archive now.' });

/** `GET /exports/hours`: which hours are whole in the archive, for batch jobs that read it. */
export const listHours: Route = {
  method: 'get',
  path: '/exports/hours',
  access: 'export:read',
  isOfAllTenants: true,
  problems: [403],
  operation: () => ({
    operationId: 'listHours',
    summary: 'Which hours are complete in the archive',
    description:
      'Every hour from `start_date` to `end_date`, also those without events. For batch jobs: read an hour once it is ' +
      '`complete`, and read it again when `objects` has grown. Of all tenants, so a key that is bound to one gets a 403. At most ' +
      `${maxDays.hour} days by the hour, ${maxDays.day} by the day.`,
    requestParams: { query: hoursParameters() },
    responses: { 200: { description: 'The hours.', content: { 'application/json': { schema: hourStates } } } },
  }),
  createHandler: ({ cells }) => {
    const parameters = hoursParameters();
    return async (request, response) => {
      const query = readQuery(parameters, getSearch(request));
      const { start_date: from, end_date: to, interval: grain } = requireValid(query).named;
      const lengthMs = Date.parse(to) - Date.parse(from);
      if (lengthMs < 0) return requireValid(invalid('start_date', 'must not be after end_date'));
      if (lengthMs > maxDays[grain] * dayMs)
        return requireValid(invalid('start_date', `must be at most ${maxDays[grain]} days before end_date`));
      const states = await ofEachCell(cells, ({ readers }) =>
        listPartitionStates(readers.primary.poolFor(), { destination, grain, from, to }),
      );
      const hours = states.map(
        (one): z.output<typeof hourState> => ({
          partition: one.partition,
          ...(one.cell !== '' && { cell: one.cell }),
          state: one.openBecause === null ? 'complete' : 'open',
          open_because: one.openBecause,
          objects: one.objects,
          rows: one.rows,
          waiting_batches: one.waitingBatches,
          last_done_at: one.lastDoneAt,
        }),
      );
      sendJson(response, 200, JSON.stringify({ hours }));
    };
  },
};
