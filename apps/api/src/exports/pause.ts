import { pauseDestination } from '@auditbox/db/export/destinations.ts';
import { z } from 'zod';
import { actorOf, getCaller } from '../http/caller.ts';
import { sendJson } from '../http/json.ts';
import type { Route } from '../http/route.ts';
import { getSearch, readQuery, requireValid } from '../read/read-query.ts';
import { findDestination } from './find-destination.ts';

const placeParameters = z.strictObject({
  cell: z.string().optional().describe('With several databases: this cell alone. Default: every cell.'),
});

const pausedAnswer = z
  .strictObject({ name: z.string(), is_paused: z.boolean() })
  .meta({ id: 'DestinationPause', description: 'Whether a destination is paused now.' });

/** `POST /destinations/:name/pause`: its batches are made and wait. */
export const postPause = createRoute(
  'pause',
  'Pause a destination',
  'Its batches are kept and wait until it is resumed.',
);

/** `POST /destinations/:name/resume`. */
export const postResume = createRoute('resume', 'Resume a destination', 'What waited is sent, the oldest first.');

function createRoute(verb: 'pause' | 'resume', summary: string, effect: string): Route {
  return {
    method: 'post',
    path: `/destinations/:name/${verb}`,
    access: 'export:replay',
    isOfAllTenants: true,
    problems: [403, 404],
    operation: () => ({
      operationId: `${verb}Destination`,
      summary,
      description: `${effect} A running exporter notices it within its poll interval. The change is an audit event.`,
      requestParams: { path: z.object({ name: z.string() }), query: placeParameters },
      responses: {
        200: { description: 'It is so.', content: { 'application/json': { schema: pausedAnswer } } },
      },
    }),
    createHandler:
      ({ cells }) =>
      async (request, response) => {
        const caller = getCaller(response);
        const name = String(request.params.name);
        const { cell } = requireValid(readQuery(placeParameters, getSearch(request))).named;
        const isPaused = verb === 'pause';
        for (const { changesDb } of await findDestination(cells, { destination: name, cell }))
          await pauseDestination(changesDb, name, isPaused, actorOf(caller));
        sendJson(response, 200, JSON.stringify({ name, is_paused: isPaused }));
      },
  };
}
