import { ApiProblem } from '../api-problem.ts';
import type { AuditClient } from '../audit-client.ts';
import type { NewAuditEvent } from '../wire.ts';

/** The part of the client that the spool uses. */
export type EventWriter = Pick<AuditClient, 'writeEach'>;

/** An event that the api will never take, and why. */
interface RefusedEvent {
  readonly event: NewAuditEvent;
  readonly reason: string;
}

/** What became of events that were sent. */
export interface SentEvents {
  readonly refused: readonly RefusedEvent[];
  /** Nothing is wrong with them, but the database refuses one of them for now. Some may be stored. */
  readonly waiting: readonly NewAuditEvent[];
  /** Why the first of them waits; null if none does. */
  readonly error: ApiProblem | null;
}

/** Of one request. */
const mostEvents = 1_000;
/** Enough to find two single events that wait. If the database refuses every event, the requests have an end. */
const mostSplits = 20;

/**
 * Sends events until the api has each of them, refused it, or said that its database refuses it for now. Throws the error of
 * a request that may succeed later. Some events may be stored then; their ids make it safe to send them again.
 */
export async function sendEach(
  client: EventWriter,
  events: readonly NewAuditEvent[],
  signal: AbortSignal,
): Promise<SentEvents> {
  const refused: RefusedEvent[] = [];
  const waiting: NewAuditEvent[] = [];
  let firstError: ApiProblem | null = null;
  let splits = mostSplits;

  async function sendParts(part: readonly NewAuditEvent[], size: number): Promise<void> {
    for (let at = 0; at < part.length; at += size) await send(part.slice(at, at + size));
  }

  async function send(part: readonly NewAuditEvent[]): Promise<void> {
    try {
      const { ids, errors = [] } = await client.writeEach(part, { signal, retryForMs: 0 });
      if (ids.length !== part.length) throw new Error(`The response names ${ids.length} of ${part.length} events.`);
      for (const [index, event] of part.entries())
        if (ids[index] === null) refused.push({ event, reason: findReason(errors, index) ?? 'refused' });
    } catch (error) {
      if (!(error instanceof ApiProblem)) throw error;
      const [event, ...others] = part;
      if (event === undefined) throw error;
      const half = Math.ceil(part.length / 2);
      if (isAboutEvents(error)) {
        if (others.length > 0) return sendParts(part, half);
        refused.push({ event, reason: error.message });
      } else if (error.problemCode === 'database-misconfigured') {
        firstError ??= error;
        if (others.length > 0 && splits > 0) {
          splits -= 1;
          return sendParts(part, half);
        }
        waiting.push(...part);
      } else throw error;
    }
  }

  await sendParts(events, mostEvents);
  // One that was refused for a moment may be stored now.
  return { refused, waiting, error: waiting.length === 0 ? null : firstError };
}

/** 413: too many bytes. 422: the api refused every event. 400 with a place: one event makes the whole body unreadable. */
function isAboutEvents({ status, problem }: ApiProblem): boolean {
  return status === 413 || status === 422 || (status === 400 && problem.errors.length > 0);
}

/** The path of a mistake begins with the place of its event: `[17].action`. */
function findReason(
  errors: readonly { readonly path: string; readonly message: string }[],
  index: number,
): string | undefined {
  const found = errors.find(({ path }) => path.startsWith(`[${index}]`));
  return found && `${found.path.replace(/^\[\d+\]\.?/, '')} ${found.message}`.trim();
}
