import { ApiProblem } from '../api-problem.ts';
import type { AuditClient } from '../audit-client.ts';
import type { NewAuditEvent } from '../wire.ts';

/** The part of the client that the spool uses. */
export type EventWriter = Pick<AuditClient, 'writeEach'>;

/** An event that the api will never take, and why. */
export interface RefusedEvent {
  readonly event: NewAuditEvent;
  readonly reason: string;
}

/** Of one request. */
const mostEvents = 1_000;

/**
 * Sends events until the api has each of them or refused it. Throws the error of a request that may succeed later. Some
 * events may be stored then; their ids make it safe to send them again.
 */
export async function sendEach(
  client: EventWriter,
  events: readonly NewAuditEvent[],
  signal: AbortSignal,
): Promise<RefusedEvent[]> {
  if (events.length === 0) return [];
  if (events.length > mostEvents) return sendParts(client, events, mostEvents, signal);
  try {
    const { ids, errors = [] } = await client.writeEach(events, { signal, retryForMs: 0 });
    if (ids.length !== events.length) throw new Error(`The response names ${ids.length} of ${events.length} events.`);
    return events.flatMap((event, index) =>
      ids[index] === null ? [{ event, reason: findReason(errors, index) ?? 'refused' }] : [],
    );
  } catch (error) {
    if (!(error instanceof ApiProblem) || !isAboutEvents(error)) throw error;
    const [event, ...others] = events;
    if (event !== undefined && others.length === 0) return [{ event, reason: error.message }];
    return sendParts(client, events, Math.ceil(events.length / 2), signal);
  }
}

/** 413: too many bytes. 422: the api refused every event. 400 with a place: one event makes the whole body unreadable. */
function isAboutEvents({ status, problem }: ApiProblem): boolean {
  return status === 413 || status === 422 || (status === 400 && problem.errors.length > 0);
}

async function sendParts(
  client: EventWriter,
  events: readonly NewAuditEvent[],
  size: number,
  signal: AbortSignal,
): Promise<RefusedEvent[]> {
  const refused: RefusedEvent[] = [];
  for (let at = 0; at < events.length; at += size)
    refused.push(...(await sendEach(client, events.slice(at, at + size), signal)));
  return refused;
}

/** The path of a mistake begins with the place of its event: `[17].action`. */
function findReason(
  errors: readonly { readonly path: string; readonly message: string }[],
  index: number,
): string | undefined {
  const found = errors.find(({ path }) => path.startsWith(`[${index}]`));
  return found && `${found.path.replace(/^\[\d+\]\.?/, '')} ${found.message}`.trim();
}
