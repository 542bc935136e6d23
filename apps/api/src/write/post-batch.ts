import type { NewAuditEvent, Problem } from '@auditbox/core/event/audit-event.ts';
import { eventReader } from '@auditbox/core/event/read-event.ts';
import { readBatch, readEachEvent } from '@auditbox/core/event/read-events.ts';
import type { TracedEvent } from '@auditbox/db/events/event-record.ts';
import { z } from 'zod';
import { bodyText, mediaType, toBodyProblem } from '../http/body.ts';
import { sendJson } from '../http/json.ts';
import { runInPieces } from '../http/long-work.ts';
import { HttpProblem } from '../http/problem.ts';
import type { Route } from '../http/route.ts';
import { readOptionalQuery } from '../read/read-query.ts';
import { dryBatch, dryRun, showBatch } from './dry-run.ts';
import { exampleEvent } from './example-event.ts';
import { idempotencyKeyHeader } from './idempotency-key.ts';
import { prepareEvent, type WriteRequest } from './prepare-event.ts';
import { giveBatchReceipt } from './receipts.ts';
import { readWriteRequest, recordEvents, toWriteProblem } from './record-for-caller.ts';
import { storePartly } from './store-partly.ts';

const maxEvents = 10_000;
/** Each is a table. A batch across more of them is sent in parts. */
const maxNewMonths = 2;

function printPath(index: number, field: string): string {
  return `[${index}].${field}`;
}

const batchParameters = z.strictObject({
  partial: z
    .enum(['true', 'false'], 'must be true or false')
    .optional()
    .describe('`true`: store every event that can be stored, and name the others in `errors`. Default: all or none.'),
  dry_run: dryRun,
});

const batchReceipt = z
  .strictObject({
    created: z.int().describe('How many events this request stored.'),
    existing: z.int().describe('How many events were stored before, with the same content.'),
    ids: z
      .array(z.guid().nullable())
      .describe('The ids of all events, in the order of the request. Null for an event that was refused.'),
    errors: z
      .array(z.strictObject({ path: z.string(), message: z.string() }))
      .optional()
      .describe('With `partial=true`: the first mistake of each refused event.'),
    receipt: z
      .string()
      .optional()
      .describe('A signed receipt for all stored events, where AUDIT_RECEIPTS_ORIGIN is set.'),
  })
  .meta({ id: 'BatchReceipt' });

/** `POST /audit/batch`: records events of a JSON array or NDJSON, all of them or none, or each by itself. */
export const postBatch: Route = {
  method: 'post',
  path: '/audit/batch',
  access: 'audit:write',
  body: { types: ['application/json', 'application/x-ndjson'], maxBytes: 8 * 1024 * 1024 },
  problems: [409, 422],
  operation: ({ actions, newAuditEvent }) => {
    const { id: _id, ...example } = exampleEvent(actions);
    const line = JSON.stringify(example);
    return {
      operationId: 'postBatch',
      summary: 'Record events together',
      description:
        `All events or none, in one transaction; or with \`partial=true\` each by itself. At most ${maxEvents} events and ` +
        '8 MiB, and 1 MiB for each event.',
      requestParams: { query: batchParameters },
      parameters: [idempotencyKeyHeader],
      requestBody: {
        required: true,
        content: {
          'application/json': {
            schema: newAuditEvent.array().min(1).max(maxEvents),
            examples: { events: { value: [example, example] } },
          },
          'application/x-ndjson': {
            schema: { type: 'string', description: 'One event per line. Blank lines are ignored.' },
            examples: { lines: { value: `${line}\n${line}\n` } },
          },
        },
      },
      responses: {
        201: {
          description: 'The events are stored. With `partial=true` at least one is.',
          content: { 'application/json': { schema: batchReceipt } },
        },
        200: {
          description:
            'All events that are not refused were stored before; or with `dry_run=true` what would be stored.',
          content: { 'application/json': { schema: z.union([batchReceipt, dryBatch]) } },
        },
      },
    };
  },
  createHandler: (parts) => {
    const { settings, store, metrics, keyLimits, bytesInFlight } = parts;
    const readEvent = eventReader(settings.actions);
    return async (request, response) => {
      const { partial, dry_run: isDry } = readOptionalQuery(batchParameters, request);
      const text = bodyText(request);
      const form = mediaType(request) === 'application/json' ? 'array' : 'lines';
      const write = await readWriteRequest(request, response, text, parts);
      if (isDry === 'true') {
        const read = await inPieces(readEachEvent(text, form, readEvent, maxEvents));
        if (!read.ok) throw invalidBatch(read.problems);
        keyLimits.use(response, 'events', read.value.length);
        const shown = await runInPieces(showBatch(read.value, write));
        bytesInFlight.hold(response, shown.length);
        return sendJson(response, 200, shown);
      }
      if (partial === 'true') {
        const read = await inPieces(readEachEvent(text, form, readEvent, maxEvents));
        if (!read.ok) throw invalidBatch(read.problems);
        keyLimits.use(response, 'events', read.value.length);
        const outcomes = await storePartly(parts, read.value, write);
        const stored = outcomes.flatMap((outcome) => (outcome.kind === 'stored' ? [outcome.event] : []));
        const errors = outcomes.flatMap((outcome) => (outcome.kind === 'refused' ? [outcome.problem] : []));
        if (stored.length === 0) throw invalidBatch(errors);
        const ids = outcomes.map((outcome) => (outcome.kind === 'stored' ? outcome.event.id : null));
        const created = stored.filter(({ outcome }) => outcome === 'created').length;
        const receipt = await giveBatchReceipt(stored, ({ json }) => json, settings.receiptSigner);
        const answer = { created, existing: stored.length - created, ids, errors, receipt };
        sendJson(response, created > 0 ? 201 : 200, JSON.stringify(answer));
        return;
      }
      const read = await inPieces(readBatch(text, form, readEvent, maxEvents));
      if (!read.ok) throw invalidBatch(read.problems);
      keyLimits.use(response, 'events', read.value.length);
      const events = await runInPieces(prepareAll(read.value, write));
      const written = await recordEvents(
        () => store.storeAll(events, { maxNewMonths }),
        printPath,
        (index) => events[index],
      );
      metrics.stored(written);
      const created = written.filter(({ outcome }) => outcome === 'created').length;
      const ids = written.map(({ id }) => id);
      const receipt = await giveBatchReceipt(written, ({ line }) => line(), settings.receiptSigner);
      const answer = { created, existing: ids.length - created, ids, receipt };
      sendJson(response, created > 0 ? 201 : 200, JSON.stringify(answer));
    };
  },
};

function invalidBatch(errors: readonly Problem[]): HttpProblem {
  return new HttpProblem(422, 'The batch is invalid. Nothing was stored.', { errors });
}

function inPieces<T>(steps: Iterator<void, T>): Promise<T> {
  return runInPieces(steps).catch((error: unknown) => {
    throw toBodyProblem(error);
  });
}

/** Throws the problem of the first event that the caller may not write. Works in small steps: events are hashed. */
function* prepareAll(given: readonly NewAuditEvent[], write: WriteRequest): Generator<void, TracedEvent[]> {
  const events: TracedEvent[] = [];
  for (const [index, event] of given.entries()) {
    yield;
    const prepared = yield* prepareEvent(event, write, index);
    if (prepared.kind !== 'ready') {
      const errors = prepared.problems.map(({ path, message }) => ({ path: printPath(index, path), message }));
      throw toWriteProblem(prepared, errors);
    }
    events.push(prepared.event);
  }
  return events;
}
