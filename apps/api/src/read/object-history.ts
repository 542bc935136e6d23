import type { Checked } from '@auditbox/core/event/audit-event.ts';
import { objectStep, stateAfter } from '@auditbox/core/history/object-states.ts';
import type { JsonText } from '@auditbox/core/json/json-text.ts';
import { getEvent } from '@auditbox/db/events/get-event.ts';
import type { EventPosition } from '@auditbox/db/queries/event-order.ts';
import { findEvents } from '@auditbox/db/queries/find-events.ts';
import type { Request } from 'express';
import { z } from 'zod';
import { sendJson } from '../http/json.ts';
import type { Route } from '../http/route.ts';
import { type CursorList, printCursor, readCursor } from './cursor.ts';
import { auditEventFields, nextCursor } from './event-answer.ts';
import { filterParameters, partParameters } from './parameters.ts';
import { getSearch, invalid, readQuery, requireValid } from './read-query.ts';
import { preferHeader, type Reader, readerHeaders } from './readers.ts';

function historyParameters() {
  const { start_date, end_date } = filterParameters([]);
  const { page_size, cursor } = partParameters;
  const partial = z.enum(['true', 'false'], 'must be true or false').optional();
  return z.strictObject({
    start_date,
    end_date,
    page_size,
    cursor,
    partial: partial.describe(
      '`true`: a member that `updated_values` leaves out is unchanged, not removed. Default: `true` except for created, deleted ' +
        'and rotated.',
    ),
  });
}

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
      .describe('What the event changed, as a JSON Patch. Null when the values are too large for a patch.'),
  })
  .meta({ id: 'HistoryStep', description: 'A recorded event, and what it changed.' });

const historyPage = z
  .strictObject({
    table_name: z.string(),
    object_id: z.string(),
    audit_logs: z.array(historyStep).describe('Oldest first.'),
    next_cursor: nextCursor,
  })
  .meta({ id: 'ObjectHistory' });

/** `GET /audit/objects/:table_name/:object_id`: the events of one object, oldest first, with what each event changed. */
export const objectHistory: Route = {
  method: 'get',
  path: '/audit/objects/:table_name/:object_id',
  access: 'read',
  problems: [],
  operation: () => ({
    operationId: 'objectHistory',
    summary: 'What happened to one object',
    description: 'Oldest first, each event with what it changed. An unknown object has an empty history.',
    requestParams: {
      path: z.object({ table_name: z.string(), object_id: z.string() }),
      query: historyParameters(),
    },
    parameters: [preferHeader],
    responses: {
      200: {
        description: 'A part of its history.',
        headers: readerHeaders,
        content: { 'application/json': { schema: historyPage } },
      },
    },
  }),
  createHandler: ({ readers }) => {
    const parameters = historyParameters();
    return async (request, response) => {
      const query = requireValid(readHistoryQuery(parameters, request));
      const { list, after, pageSize: limit, partial } = query;
      const reader = await readers.choose(request, response);
      const page = { ...list, after, offset: 0, limit, countUpTo: null };
      const { events, next } = await findEvents(reader.poolFor(), page);
      let state: JsonText | null = after && stateAfter(await readEventsUpTo(reader, list, after), partial);
      const steps = events.map((event) => {
        const step = objectStep(event, state, partial);
        state = step.state;
        return step.json;
      });
      const cursor = next && printCursor(list, next);
      const object = JSON.stringify(query.object).slice(1, -1);
      sendJson(response, 200, `{${object},"audit_logs":[${steps.join()}],"next_cursor":${JSON.stringify(cursor)}}`);
    };
  },
};

/** A page begins with the state that this many earlier events leave. One of them almost always has a `before_value`. */
const stateEvents = 20;

/** The event at `position` and those before it, oldest first. */
async function readEventsUpTo(reader: Reader, list: CursorList, position: EventPosition): Promise<string[]> {
  const backwards = { ...list, order: { ...list.order, direction: 'desc' } } as const;
  const [last, { events }] = await Promise.all([
    getEvent(reader.poolFor(), position.at(-1) ?? ''),
    findEvents(reader.poolFor(), {
      ...backwards,
      after: position,
      offset: 0,
      limit: stateEvents - 1,
      countUpTo: null,
    }),
  ]);
  return [...events.toReversed(), ...(last ? [last.json] : [])];
}

/** A part of an object's history, oldest first. */
interface HistoryQuery {
  readonly object: { readonly table_name: string; readonly object_id: string };
  readonly list: CursorList;
  readonly after: EventPosition | null;
  readonly pageSize: number;
  /** Whether a member that `updated_values` leaves out is unchanged. Null decides by the action. */
  readonly partial: boolean | null;
}

function readHistoryQuery(parameters: ReturnType<typeof historyParameters>, request: Request): Checked<HistoryQuery> {
  const { table_name = '', object_id = '' } = request.params as Record<string, string>;
  const query = readQuery(parameters, getSearch(request));
  if (!query.ok) return query;
  const { named, values } = query.value;
  if (values.length > 0)
    return { ok: false, problems: values.map(({ column }) => ({ path: column, message: 'is not a parameter' })) };
  if (`${table_name}${object_id}`.includes('\0')) return invalid('', 'must not contain U+0000');
  const { start_date: occurredFrom, end_date: occurredTo, page_size: pageSize } = named;
  const list: CursorList = {
    filter: { tableName: [table_name], objectId: [object_id], occurredFrom, occurredTo },
    order: { by: 'updated_at', direction: 'asc' },
  };
  const partial = named.partial === undefined ? null : named.partial === 'true';
  const history = { object: { table_name, object_id }, list, pageSize, partial };
  if (named.cursor === undefined || named.cursor === '') return { ok: true, value: { ...history, after: null } };
  const place = readCursor(list, named.cursor);
  if ('message' in place) return invalid('cursor', place.message);
  return { ok: true, value: { ...history, after: place.position } };
}
