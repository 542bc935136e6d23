import { createObjectHistory, type ObjectHistory } from '@auditbox/core/history/object-states.ts';
import type { EventPosition } from '@auditbox/db/queries/event-order.ts';
import type { PositionedEvent } from '@auditbox/db/queries/find-events.ts';
import { type FoundEvent, maxPageBytes, sumInline } from '@auditbox/db/queries/page-bytes.ts';
import { z } from 'zod';
import { answerArchiveHistory } from '../archive/archive-history.ts';
import { archiveRead } from '../archive/list-archive.ts';
import { getCaller } from '../http/caller.ts';
import { createJsonAnswer, type JsonAnswer } from '../http/json-answer.ts';
import { createRest } from '../http/long-work.ts';
import type { Route } from '../http/route.ts';
import { type CursorList, printCursor, stateEvents } from './cursor.ts';
import { auditEventFields, nextCursor, recordBeginsAt } from './event-answer.ts';
import type { EventReads } from './event-reads.ts';
import { historyParameters, readHistoryQuery } from './read-history-query.ts';
import { requireValid } from './read-query.ts';
import { preferHeader, readerHeaders } from './readers.ts';

const operation = z
  .union([
    z.strictObject({ op: z.enum(['add', 'replace']), path: z.string(), value: z.unknown() }),
    z.strictObject({ op: z.literal('remove'), path: z.string() }),
  ])
  .meta({ id: 'PatchOperation', description: 'A step of a JSON Patch (RFC 6902).' });

const historyStep = z
  .strictObject({
    ...auditEventFields,
    changes: z
      .array(operation)
      .nullable()
      .describe(
        'What the event changed, as a JSON Patch. Null when the values are too large for a patch. Members of JSON text inside a ' +
          'string are compared, too.',
      ),
  })
  .meta({ id: 'HistoryStep', description: 'A recorded event, and what it changed.' });

const historyPage = z
  .strictObject({
    table_name: z.string(),
    object_id: z.string(),
    audit_logs: z.array(historyStep).describe('Oldest first.'),
    record_begins_at: recordBeginsAt,
    next_cursor: nextCursor,
  })
  .meta({ id: 'ObjectHistory' });

const archivedHistory = z
  .strictObject({ ...historyPage.shape, archive: archiveRead })
  .meta({ id: 'ArchivedObjectHistory', description: 'A part of a history that was read from the archive.' });

/** `GET /audit/objects/:table_name/:object_id`: the events of one object, oldest first, with what each event changed. */
export const objectHistory: Route = {
  method: 'get',
  path: '/audit/objects/:table_name/:object_id',
  access: 'audit:read',
  problems: [422],
  operation: () => ({
    operationId: 'objectHistory',
    summary: 'What happened to one object',
    description:
      'Oldest first, each event with what it changed. An unknown object has an empty history. A URL cannot hold the names `.` and ' +
      '`..`: write `~.` and `~..`.',
    requestParams: {
      path: z.object({ table_name: z.string(), object_id: z.string() }),
      query: historyParameters(),
    },
    parameters: [preferHeader],
    responses: {
      200: {
        description: 'A part of its history.',
        headers: readerHeaders,
        content: { 'application/json': { schema: z.union([historyPage, archivedHistory]) } },
      },
    },
  }),
  createHandler: ({ sources, archive, bytesInFlight }) => {
    const parameters = historyParameters();
    return async (request, response) => {
      const query = requireValid(readHistoryQuery(parameters, request, getCaller(response).tenant));
      if (query.from === 'archive')
        return answerArchiveHistory(query, { sources, archive, bytesInFlight }, request, response);
      const { list, after, pageSize: limit, partial } = query;
      const reads = await sources.choose(request, response);
      const { events, next } = await reads.findEvents({ ...list, after, offset: 0, limit, countUpTo: null });
      const inline = sumInline(events);
      bytesInFlight.hold(response, inline);
      const earlier = after === null ? [] : await findEarlier(reads, list, after);
      // The state after the events is at most as large as they are.
      bytesInFlight.hold(response, Math.max(0, sum([...earlier, ...events]) - inline));
      const history = createObjectHistory(partial);
      await readState(reads, earlier, history);
      const begin = JSON.stringify(await reads.getRecordBegin());
      const object = JSON.stringify(query.object).slice(1, -1);
      const answer = createJsonAnswer(response, bytesInFlight);
      const beginning = `{${object},"audit_logs":[`;
      const sent = await addSteps(answer, beginning, reads, events, history);
      if (sent === 'caller left') return;
      const cursor = sent === null ? next : sent;
      const start = events.length === 0 ? beginning : '';
      await answer.end(
        `${start}],"record_begins_at":${begin},"next_cursor":${JSON.stringify(cursor && printCursor(list, cursor))}}`,
      );
    };
  },
};

async function readState(reads: EventReads, events: readonly FoundEvent[], history: ObjectHistory): Promise<void> {
  const rest = createRest();
  for await (const part of reads.readPageEvents(events)) {
    for (const { json } of part) {
      await rest(json.length);
      history.skip(json);
    }
  }
}

/** The position of the last event if the page had to end early; null if all events are added. */
async function addSteps(
  answer: JsonAnswer,
  beginning: string,
  reads: EventReads,
  events: readonly PositionedEvent[],
  history: ObjectHistory,
): Promise<EventPosition | null | 'caller left'> {
  const rest = createRest();
  let sent = 0;
  let last: EventPosition | null = null;
  for await (const part of reads.readPageEvents(events)) {
    for (const event of part) {
      await rest(event.json.length);
      const step = history.addChanges(event.json);
      const bytes = Buffer.byteLength(step);
      // A step that is larger than a page has a page to itself.
      if (last !== null && sent + bytes > maxPageBytes) return last;
      if (!(await answer.add(last === null ? beginning : ',', step))) return 'caller left';
      sent += bytes;
      last = event.position;
    }
  }
  return null;
}

/**
 * A page begins with the state that a few earlier events leave. One of them almost always has a `before_value`.
 *
 * The event at `position` and the events before it, oldest first.
 */
async function findEarlier(reads: EventReads, list: CursorList, position: EventPosition): Promise<FoundEvent[]> {
  const backwards = { ...list, order: { ...list.order, direction: 'desc' } } as const;
  const [at = '', id = ''] = position;
  const [last, { events }] = await Promise.all([
    reads.locateEvent(id, list.filter.tenant),
    reads.findEvents({ ...backwards, after: position, offset: 0, limit: stateEvents - 1, countUpTo: null }),
  ]);
  const json = last?.event.json;
  const lastEvents = json === undefined ? [] : [{ id, at, json, bytes: json.length }];
  return [...events.toReversed(), ...lastEvents];
}

function sum(events: readonly FoundEvent[]): number {
  return events.reduce((bytes, event) => bytes + event.bytes, 0);
}
