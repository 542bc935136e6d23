import type { Checked } from '@auditbox/core/event/audit-event.ts';
import { objectStep, stateAfter } from '@auditbox/core/history/object-states.ts';
import type { JsonText } from '@auditbox/core/json/json-text.ts';
import type { ExportStatus } from '@auditbox/db/events/get-event.ts';
import type { EventPosition } from '@auditbox/db/queries/event-order.ts';
import type { EventPage, EventQuery } from '@auditbox/db/queries/find-events.ts';
import type { Request, RequestHandler } from 'express';
import { HttpProblem } from '../../http/problem.ts';
import { sendJson } from '../../http/send-json.ts';
import type { Reader } from '../choose-reader.ts';
import { printCursor } from '../cursor.ts';
import { searchOf } from '../list/list-events.ts';
import type { HistoryQuery } from './history-query.ts';

export interface ObjectHistoryDependencies {
  readonly readHistoryQuery: (tableName: string, objectId: string, search: URLSearchParams) => Checked<HistoryQuery>;
  readonly find: (query: EventQuery, reader: Reader) => Promise<EventPage>;
  readonly get: (id: string, reader: Reader) => Promise<{ json: string; exported: ExportStatus } | null>;
  readonly readFrom: (request: Request) => Reader;
}

/** A page begins with the state that so many events before it leave; one of them almost always says its `before_value`. */
const lookBack = 20;

/** `GET /audit/objects/:table_name/:object_id`: what happened to one object, oldest first, with what each event changed. */
export function objectHistory({ readHistoryQuery, find, get, readFrom }: ObjectHistoryDependencies): RequestHandler {
  return async (request, response) => {
    const { table_name: tableName = '', object_id: objectId = '' } = request.params as Record<string, string>;
    const query = readHistoryQuery(tableName, objectId, searchOf(request));
    if (!query.ok) throw new HttpProblem(400, 'Some parameters are wrong.', { errors: query.problems });
    const { list, after, pageSize, partial } = query.value;
    const reader = readFrom(request);
    const eventsUpTo = async (place: EventPosition): Promise<string[]> => {
      const backwards = { ...list, order: { ...list.order, direction: 'desc' } } as const;
      const part = { after: place, offset: 0, limit: lookBack - 1, countUpTo: null };
      const [last, { events: before }] = await Promise.all([
        get(place.at(-1) ?? '', reader),
        find({ ...backwards, ...part }, reader),
      ]);
      return [...before.toReversed(), ...(last ? [last.json] : [])];
    };
    const { events, next } = await find({ ...list, after, offset: 0, limit: pageSize, countUpTo: null }, reader);
    let state: JsonText | null = after && stateAfter(await eventsUpTo(after), partial);
    const steps = events.map((event) => {
      const step = objectStep(event, state, partial);
      state = step.state;
      return step.json;
    });
    const cursor = next && printCursor(list, next);
    const of = `"table_name":${JSON.stringify(tableName)},"object_id":${JSON.stringify(objectId)}`;
    sendJson(response, 200, `{${of},"audit_logs":[${steps.join()}],"next_cursor":${JSON.stringify(cursor)}}`);
  };
}
