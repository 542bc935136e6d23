import type { Database } from '@auditbox/db/database/connect.ts';
import { findPendingRows, findUnfinishedDeliveries, type UnfinishedDeliveries } from '@auditbox/db/observe/backlog.ts';
import { readExportActivity } from '@auditbox/db/observe/export-activity.ts';
import { listLastVerifies } from '@auditbox/db/observe/last-verify.ts';
import { listFailures } from '@auditbox/db/observe/list-failures.ts';
import { findLogBacklogs } from '@auditbox/db/observe/log-backlog.ts';
import { z } from 'zod';
import type { Cell } from '../cells/cell.ts';
import { ofEachCell } from '../cells/of-each-cell.ts';
import { sendJson } from '../http/json.ts';
import type { Route } from '../http/route.ts';

/** Most failed batches and rejected rows that an answer names. */
const maxNamed = 200;

const counts = z.strictObject({ sealed: z.int(), sending: z.int(), failed: z.int() });

const exportedHour = z.strictObject({
  start: z.iso.datetime(),
  objects: z.int(),
  rows: z.int(),
  bytes: z.int(),
  slowest_seconds: z.number().describe('The longest time from recording to arrival.'),
});

const destinationState = z
  .strictObject({
    name: z.string(),
    cell: z.string().optional().describe('With DATABASE_CELLS: each cell has its own batches.'),
    is_paused: z.boolean(),
    oldest_age_seconds: z.number().describe('How long the oldest event of a batch that has not arrived has waited.'),
    deliveries: counts,
    rows: counts,
    rejected_rows: z.int(),
    last_done_at: z.iso.datetime().nullable(),
    retry: z
      .strictObject({
        batch_id: z.string(),
        attempts: z.int(),
        error: z.string(),
        next_attempt_in_seconds: z.number(),
      })
      .nullable()
      .describe('The oldest batch that was tried and waits for its next try.'),
    hours: z.array(exportedHour).describe('The last 24 hours. Hours without an object are left out.'),
    failed: z.array(z.strictObject({ batch_id: z.string(), partition: z.string(), rows: z.int(), error: z.string() })),
    rejected: z.array(z.strictObject({ event_id: z.guid(), batch_id: z.string(), reason: z.string() })),
    last_verify: z.strictObject({ age_seconds: z.number(), differences: z.int() }).nullable(),
    log: z.strictObject({ size: z.int(), published_size: z.int(), oldest_unlogged_age_seconds: z.number() }).nullable(),
  })
  .meta({ id: 'DestinationState' });

const exportState = z
  .strictObject({
    pending: z
      .strictObject({ rows: z.int(), oldest_age_seconds: z.number() })
      .describe('Events that are in no batch yet.'),
    destinations: z.array(destinationState),
  })
  .meta({ id: 'ExportState', description: 'How far the export is.' });

/** `GET /exports`: how far the export is, what waits for a person and why. */
export const getExports: Route = {
  method: 'get',
  path: '/exports',
  access: 'export:read',
  isOfAllTenants: true,
  problems: [403],
  operation: () => ({
    operationId: 'getExports',
    summary: 'How far the export is, and what failed',
    description: `Of all tenants, so a key that is bound to one gets a 403. At most ${maxNamed} failed batches and rejected rows are named.`,
    responses: { 200: { description: 'The state.', content: { 'application/json': { schema: exportState } } } },
  }),
  createHandler:
    ({ cells }) =>
    async (_request, response) => {
      const [pending, destinations] = await Promise.all([
        ofEachCell(cells, async (cell) => [await findPendingRows(cell.readers.primary.poolFor())]),
        ofEachCell(cells, describeDestinations),
      ]);
      const answer: z.output<typeof exportState> = {
        pending: {
          rows: pending.reduce((sum, { rows }) => sum + rows, 0),
          oldest_age_seconds: Math.max(...pending.map(({ oldestAgeS }) => oldestAgeS)),
        },
        destinations: destinations.map(({ name, cell, ...one }) => ({ name, ...(cell !== '' && { cell }), ...one })),
      };
      sendJson(response, 200, JSON.stringify(answer));
    },
};

async function describeDestinations({ readers }: Cell) {
  const db = readers.primary.poolFor();
  const [unfinished, verifies, logs] = await Promise.all([
    findUnfinishedDeliveries(db),
    listLastVerifies(db),
    findLogBacklogs(db),
  ]);
  return Promise.all(
    unfinished.map(async (one) => ({
      ...(await describeDestination(db, one)),
      last_verify: showVerify(verifies.find(({ destination }) => destination === one.destination)),
      log: showLog(logs.find(({ destination }) => destination === one.destination)),
    })),
  );
}

async function describeDestination(db: Database, one: UnfinishedDeliveries) {
  const { destination } = one;
  const [activity, failures] = await Promise.all([
    readExportActivity(db, destination),
    listFailures(db, { destination, limit: maxNamed }),
  ]);
  const { retry } = activity;
  return {
    name: destination,
    is_paused: one.isPaused,
    oldest_age_seconds: one.oldestAgeS,
    deliveries: one.deliveries,
    rows: one.rows,
    rejected_rows: one.rejectedRows,
    last_done_at: activity.lastDoneAt,
    retry: retry && {
      batch_id: retry.batchId,
      attempts: retry.attempts,
      error: retry.error,
      next_attempt_in_seconds: retry.nextAttemptInS,
    },
    hours: activity.hours.map(({ slowestS, ...hour }) => ({ ...hour, slowest_seconds: slowestS })),
    failed: failures.deliveries.map(({ batchId, ...delivery }) => ({ batch_id: batchId, ...delivery })),
    rejected: failures.rows.map(({ auditId, batchId, reason }) => ({ event_id: auditId, batch_id: batchId, reason })),
  };
}

function showVerify(verify: { ageS: number; differences: number } | undefined) {
  return verify ? { age_seconds: verify.ageS, differences: verify.differences } : null;
}

function showLog(log: { size: number; publishedSize: number; oldestUnloggedAgeS: number } | undefined) {
  return log
    ? { size: log.size, published_size: log.publishedSize, oldest_unlogged_age_seconds: log.oldestUnloggedAgeS }
    : null;
}
