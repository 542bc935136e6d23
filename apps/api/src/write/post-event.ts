import type { ReadEvent } from '@auditbox/core/event/read-event.ts';
import type { TracedEvent } from '@auditbox/db/events/event-record.ts';
import type { StoredEvent } from '@auditbox/db/events/store-each.ts';
import type { RequestHandler } from 'express';
import { bodyText, parseBody } from '../http/body.ts';
import { HttpProblem } from '../http/problem.ts';
import { sendJson } from '../http/send-json.ts';
import { eventOf, writing } from './store-for-caller.ts';

export interface PostEventDependencies {
  readonly readEvent: ReadEvent;
  /** Stores an event; it is on disk when it resolves. */
  readonly write: (event: TracedEvent) => Promise<StoredEvent>;
}

/** `POST /audit`: one event, answered after its commit: 201, or 200 when this very event was stored before. */
export function postEvent({ readEvent, write }: PostEventDependencies): RequestHandler {
  return async (request, response) => {
    const text = bodyText(request);
    const event = readEvent(
      text,
      parseBody<unknown>(() => JSON.parse(text)),
    );
    if (!event.ok) throw new HttpProblem(422, 'This is not an audit event.', { errors: event.problems });
    const ours = eventOf(response, event.value);
    const { id, outcome, json } = await writing(
      () => write(ours),
      (_index, field) => field,
    );
    sendJson(response, outcome === 'created' ? 201 : 200, json, { location: `/audit/${id}` });
  };
}
