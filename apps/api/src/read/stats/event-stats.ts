import type { Checked } from '@auditbox/core/event/audit-event.ts';
import type { EventCount, EventCountQuery } from '@auditbox/db/queries/count-by.ts';
import type { Request, RequestHandler } from 'express';
import { HttpProblem } from '../../http/problem.ts';
import { sendJson } from '../../http/send-json.ts';
import type { Reader } from '../choose-reader.ts';
import { searchOf } from '../list/list-events.ts';

export interface EventStatsDependencies {
  readonly readStatsQuery: (search: URLSearchParams, now: number) => Checked<EventCountQuery>;
  readonly countBy: (query: EventCountQuery, reader: Reader) => Promise<readonly EventCount[]>;
  readonly readFrom: (request: Request) => Reader;
}

/** `GET /audit/stats`: how many events in each hour or day, for charts. */
export function eventStats({ readStatsQuery, countBy, readFrom }: EventStatsDependencies): RequestHandler {
  return async (request, response) => {
    const query = readStatsQuery(searchOf(request), Date.now());
    if (!query.ok) throw new HttpProblem(400, 'Some parameters are wrong.', { errors: query.problems });
    const { interval, groupBy, filter } = query.value;
    const counts = await countBy(query.value, readFrom(request));
    const total = counts.reduce((sum, { count }) => sum + count, 0);
    const { occurredFrom: start_date, occurredTo: end_date } = filter;
    sendJson(response, 200, JSON.stringify({ interval, group_by: groupBy, start_date, end_date, total, counts }));
  };
}
