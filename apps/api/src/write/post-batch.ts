import type { ReadEvent } from '@auditbox/core/event/read-event.ts';
import { readEvents, splitJsonArray, splitNdjson } from '@auditbox/core/event/read-events.ts';
import type { TracedEvent } from '@auditbox/db/events/event-record.ts';
import type { WrittenEvent } from '@auditbox/db/events/write-events.ts';
import type { RequestHandler } from 'express';
import { bodyText, mediaType, parseBody } from '../http/body.ts';
import { HttpProblem } from '../http/problem.ts';
import { sendJson } from '../http/send-json.ts';
import { eventOf, writing } from './store-for-caller.ts';

export interface PostBatchDependencies {
  readonly readEvent: ReadEvent;
  /** Stores events in one transaction; they are on disk when it resolves. */
  readonly store: (events: readonly TracedEvent[]) => Promise<WrittenEvent[]>;
}

/** Most events of one request. */
export const maxBatchEvents = 10_000;

/** Media types of `POST /audit/batch`. */
export const batchTypes = ['application/json', 'application/x-ndjson'] as const;

/** `POST /audit/batch`: a JSON array or NDJSON, stored whole or not at all; the ids come back in the order given. */
export function postBatch({ readEvent, store }: PostBatchDependencies): RequestHandler {
  return async (request, response) => {
    const text = bodyText(request);
    const split = mediaType(request) === 'application/json' ? splitJsonArray : splitNdjson;
    const events = readEvents(
      parseBody(() => split(text)),
      readEvent,
      maxBatchEvents,
    );
    if (!events.ok) throw new HttpProblem(422, 'Nothing of this batch was stored.', { errors: events.problems });
    const pathOf = (index: number, field: string) => `[${index}].${field}`;
    const ours = events.value.map((event) => eventOf(response, event));
    const written = await writing(() => store(ours), pathOf);
    const created = written.filter(({ outcome }) => outcome === 'created').length;
    const ids = written.map(({ id }) => id);
    const summary = { created, existing: ids.length - created, ids };
    sendJson(response, created > 0 ? 201 : 200, JSON.stringify(summary));
  };
}
