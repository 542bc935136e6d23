import { findFailed } from '@auditbox/db/export/find-failed.ts';
import { replayFailed } from '@auditbox/db/export/replay-failed.ts';
import { z } from 'zod';
import { actorOf, getCaller } from '../http/caller.ts';
import { sendJson } from '../http/json.ts';
import { readJsonBody, smallBody } from '../http/read-json-body.ts';
import type { Route } from '../http/route.ts';
import { requireAllTenants } from './require-all-tenants.ts';
import { requireDestination } from './require-destination.ts';

/** Most failed batches, and most rejected rows, of one request. */
const maxBatches = 1_000;
const maxRows = 10_000;

const instant = z.iso.datetime({ offset: true }).describe('An event time, RFC 3339. Included.');

const replayRequest = z
  .strictObject({
    destination: z.string().min(1).max(200),
    batch_id: z
      .string()
      .regex(/^[1-9]\d{0,17}$/, 'must be the id of a batch')
      .optional()
      .describe('This batch alone. Default: everything that failed.'),
    from: instant.optional(),
    to: instant.optional(),
    dry_run: z.boolean().default(false).describe('Say what would be sent again, and change nothing.'),
  })
  .meta({ id: 'ReplayRequest' });

const replayAnswer = z
  .strictObject({
    destination: z.string(),
    dry_run: z.boolean(),
    batches: z.int().describe('Failed batches.'),
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
    ({ keysDb }) =>
    async (request, response) => {
      const caller = getCaller(response);
      requireAllTenants(caller);
      const asked = readJsonBody(replayRequest, request);
      const { destination } = asked;
      await requireDestination(keysDb, destination);
      const failed = await findFailed(keysDb, {
        destination,
        batchId: asked.batch_id ?? null,
        occurredFrom: asked.from ?? null,
        occurredTo: asked.to ?? null,
        limit: { batches: maxBatches, rows: maxRows },
      });
      if (!asked.dry_run) {
        const batchIds = failed.deliveries.map(({ batchId }) => batchId);
        const outboxIds = failed.rows.map(({ outboxId }) => outboxId);
        await replayFailed(keysDb, { destination, batchIds, outboxIds }, actorOf(caller));
      }
      const answer: z.output<typeof replayAnswer> = {
        destination,
        dry_run: asked.dry_run,
        batches: failed.deliveries.length,
        events: failed.deliveries.reduce((sum, { rows }) => sum + rows, 0),
        rejected_events: failed.rows.length,
        has_more: failed.deliveries.length === maxBatches || failed.rows.length === maxRows,
      };
      sendJson(response, 200, JSON.stringify(answer));
    },
};
