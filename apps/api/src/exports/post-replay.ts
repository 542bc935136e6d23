import { instantSchema } from '@auditbox/core/event/instant-schema.ts';
import { type Failed, type FailedSelector, findFailed } from '@auditbox/db/export/find-failed.ts';
import { countReplayed, type ReplayIds, replayFailed } from '@auditbox/db/export/replay-failed.ts';
import { z } from 'zod';
import { actorOf, getCaller } from '../http/caller.ts';
import { sendJson } from '../http/json.ts';
import { invalidBody, readJsonBody, smallBody } from '../http/read-json-body.ts';
import type { Route } from '../http/route.ts';
import { findDestination } from './find-destination.ts';

/** Most failed batches, and most rejected rows, of one request. */
const maxBatches = 1_000;
const maxRows = 10_000;

const eventTime = instantSchema.describe('An event time, RFC 3339. Included.');

const replayRequest = z
  .strictObject({
    destination: z.string().min(1).max(200),
    cell: z.string().optional().describe('With several databases: this cell alone. Default: every cell.'),
    batch_id: z
      .string()
      .regex(/^[1-9]\d{0,17}$/, 'must be the id of a batch')
      .optional()
      .describe('This batch alone. Default: everything that failed.'),
    from: eventTime.optional(),
    to: eventTime.optional(),
    dry_run: z.boolean().default(false).describe('Say what would be sent again, and change nothing.'),
  })
  .meta({ id: 'ReplayRequest' });

const replayAnswer = z
  .strictObject({
    destination: z.string(),
    dry_run: z.boolean(),
    batches: z.int().describe('Failed batches. What another replay took on at the same moment is not counted here.'),
    events: z.int().describe('Their events.'),
    rejected_events: z.int().describe('Events that the destination had rejected, outside of these batches.'),
    has_more: z.boolean().describe('Whether the same request would find more.'),
  })
  .meta({ id: 'ReplayAnswer' });

/** `POST /exports/replay`: failed batches and rejected events are due again. A running exporter sends them. */
export const postReplay: Route = {
  method: 'post',
  path: '/exports/replay',
  access: 'export:replay',
  isOfAllTenants: true,
  body: smallBody,
  problems: [403, 404, 422],
  operation: () => ({
    operationId: 'replayExports',
    summary: 'Send again what failed or was rejected',
    description:
      'A running exporter sends it. Nothing that has arrived is sent again, so the request may be repeated. The change is an ' +
      `audit event. At most ${maxBatches} batches and ${maxRows} rejected events at a time.`,
    requestBody: {
      required: true,
      content: {
        'application/json': {
          schema: replayRequest,
          examples: { look: { value: { destination: 's3', dry_run: true } } },
        },
      },
    },
    responses: {
      200: { description: 'What is sent again.', content: { 'application/json': { schema: replayAnswer } } },
    },
  }),
  createHandler:
    ({ cells }) =>
    async (request, response) => {
      const caller = getCaller(response);
      const asked = readJsonBody(replayRequest, request);
      // It would find nothing, which looks as if nothing had failed.
      if (asked.from !== undefined && asked.to !== undefined && asked.from > asked.to)
        throw invalidBody([{ path: 'from', message: 'must not be after to' }]);
      const answer = { destination: asked.destination, dry_run: asked.dry_run, ...nothing };
      for (const { changesDb } of await findDestination(cells, { destination: asked.destination, cell: asked.cell })) {
        const failed = await findFailed(changesDb, selectFailed(asked));
        const ids = idsOf(asked.destination, failed);
        const { batchIds } = asked.dry_run ? ids : await replayFailed(changesDb, ids, actorOf(caller));
        const replayed = await countReplayed(changesDb, failed, batchIds);
        answer.batches += replayed.batches;
        answer.events += replayed.events;
        answer.rejected_events += asked.dry_run ? failed.rows.length : replayed.rejectedEvents;
        answer.has_more ||= failed.deliveries.length === maxBatches || failed.rows.length === maxRows;
      }
      sendJson(response, 200, JSON.stringify(answer satisfies z.output<typeof replayAnswer>));
    },
};

const nothing = { batches: 0, events: 0, rejected_events: 0, has_more: false };

function selectFailed({ destination, batch_id, from, to }: z.output<typeof replayRequest>): FailedSelector {
  const limit = { batches: maxBatches, rows: maxRows };
  return { destination, batchId: batch_id ?? null, occurredFrom: from ?? null, occurredTo: to ?? null, limit };
}

function idsOf(destination: string, { deliveries, rows }: Failed): ReplayIds {
  return {
    destination,
    batchIds: deliveries.map(({ batchId }) => batchId),
    outboxIds: rows.map(({ outboxId }) => outboxId),
  };
}
