import type { Checked } from '@auditbox/core/audit-event.ts';
import type { EventPage, EventQuery } from '@auditbox/db/events/find-events.ts';
import type { RequestHandler } from 'express';
import { HttpProblem } from '../problem.ts';
import { sendJson } from '../send-json.ts';

export interface ListEventsDependencies {
  readonly readQuery: (search: URLSearchParams) => Checked<EventQuery>;
  readonly find: (query: EventQuery) => Promise<EventPage>;
}

/** `GET /audit`: one page of the matching events, and how many there are. */
export function listEvents({ readQuery, find }: ListEventsDependencies): RequestHandler {
  return async (request, response) => {
    const query = readQuery(new URLSearchParams(request.originalUrl.split('?').slice(1).join('?')));
    if (!query.ok) throw new HttpProblem(400, 'Some parameters are wrong.', { errors: query.problems });
    const { total, events } = await find(query.value);
    const { page, pageSize } = query.value;
    const counts = `"total":${total},"page":${page},"page_size":${pageSize},"total_pages":${Math.ceil(total / pageSize)}`;
    // By hand: the events are JSON already, and parsing them would cost digits.
    sendJson(response, 200, `{"audit_logs":[${events.join()}],${counts}}`);
  };
}
