import { findUnfinishedDeliveries } from '@auditbox/db/observe/backlog.ts';
import { z } from 'zod';
import { ofEachCell } from '../cells/of-each-cell.ts';
import { sendJson } from '../http/json.ts';
import type { Route } from '../http/route.ts';

const count = z.int().min(0);
const counts = z.strictObject({ sealed: count, sending: count, failed: count });

const destinations = z
  .strictObject({
    destinations: z.array(
      z.strictObject({
        name: z.string(),
        cell: z.string().optional().describe('With DATABASE_CELLS: each cell has its own batches.'),
        paused: z.boolean(),
        batches: counts.describe('Batches that the destination does not have. At most 100,000 of a state are counted.'),
        events: counts.describe('The events of these batches.'),
        rejected_events: count.describe('Events that the destination will never take, and that wait for a person.'),
        oldest_age_seconds: z.number().describe('How long the oldest event waits; 0 when none does.'),
      }),
    ),
  })
  .meta({ id: 'DestinationList' });

/** `GET /destinations`: what each destination still has to get. */
export const listDestinations: Route = {
  method: 'get',
  path: '/destinations',
  access: 'export:read',
  isOfAllTenants: true,
  problems: [403],
  operation: () => ({
    operationId: 'listDestinations',
    summary: 'What each destination still has to get',
    description: 'A key that is bound to a tenant gets a 403, because batches hold the events of all tenants.',
    responses: {
      200: { description: 'The destinations.', content: { 'application/json': { schema: destinations } } },
    },
  }),
  createHandler:
    ({ cells }) =>
    async (_request, response) => {
      const found = await ofEachCell(cells, (cell) => findUnfinishedDeliveries(cell.readers.primary.poolFor()));
      const shown = found.map(({ cell, destination, isPaused, deliveries, rows, oldestAgeS, rejectedRows }) => ({
        name: destination,
        ...(cell !== '' && { cell }),
        paused: isPaused,
        batches: deliveries,
        events: rows,
        rejected_events: rejectedRows,
        oldest_age_seconds: oldestAgeS,
      }));
      sendJson(response, 200, JSON.stringify({ destinations: shown }));
    },
};
