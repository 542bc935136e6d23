import type { ReadEvent } from '@auditbox/core/read-event.ts';
import type { WrittenEvent } from '@auditbox/db/events/write-events.ts';
import type { RequestHandler } from 'express';
import { callerOf } from '../auth.ts';
import { bodyText, parseBody } from '../body.ts';
import { HttpProblem } from '../problem.ts';
import { type Store, storeForCaller } from './store-for-caller.ts';

export interface PostEventDependencies {
  readonly readEvent: ReadEvent;
  readonly store: Store;
}

/** `POST /audit`: one event, answered after its commit: 201, or 200 when this very event was stored before. */
export function postEvent({ readEvent, store }: PostEventDependencies): RequestHandler {
  return async (request, response) => {
    const text = bodyText(request);
    const event = readEvent(
      text,
      parseBody<unknown>(() => JSON.parse(text)),
    );
    if (!event.ok) throw new HttpProblem(422, 'This is not an audit event.', { errors: event.problems });
    const [written] = await storeForCaller(store, callerOf(response), [event.value], (_index, field) => field);
    const { id, outcome, json } = written as WrittenEvent;
    response
      .status(outcome === 'created' ? 201 : 200)
      .location(`/audit/${id}`)
      .type('json')
      .send(json);
  };
}
