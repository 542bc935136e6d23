import type { NewAuditEvent } from '@auditbox/core/event/audit-event.ts';
import type { TracedEvent } from '@auditbox/db/events/event-record.ts';
import {
  AuditConflictError,
  ClosedMonthError,
  DetachedMonthError,
  FutureEventError,
  TooManyMonthsError,
  UnreadableValueError,
} from '@auditbox/db/events/event-refused-error.ts';
import { crashPoint } from '@auditbox/process/crash-point.ts';
import type { Response } from 'express';
import { getCaller } from '../http/auth.ts';
import { HttpProblem, type RejectReason } from '../http/problem.ts';
import { getTraceparent } from '../http/tracing.ts';

/**
 * Adds to an event what the request knows of its caller: the hash of the caller's key if the event names no key, and the
 * trace of the request if there is one.
 */
export function addCaller(event: NewAuditEvent, response: Response): TracedEvent {
  const traceparent = getTraceparent(response);
  if (event.changedByApiKey !== null && traceparent === undefined) return event;
  return { ...event, changedByApiKey: event.changedByApiKey ?? getCaller(response).keyHash, traceparent };
}

const dayMs = 86_400_000;

/**
 * Rejects events that happened more than `oldestDays` ago: each month of events is a table, and a caller must not make
 * hundreds. Only the day counts, so the clock of this process is good enough.
 */
export function requireRecent(
  events: readonly NewAuditEvent[],
  oldestDays: number,
  printPath: (index: number, field: string) => string,
): void {
  const oldest = new Date(Math.max(0, Date.now() - oldestDays * dayMs)).toISOString();
  const index = events.findIndex(({ occurredAt }) => occurredAt !== null && occurredAt.utc < oldest);
  if (index === -1) return;
  const message = `is more than ${oldestDays} days ago, the limit of AUDIT_OLDEST_EVENT_DAYS`;
  throw new HttpProblem(422, 'An event is too old. Nothing was stored.', {
    errors: [{ path: printPath(index, 'updated_at'), message }],
  });
}

/**
 * Runs a write. An event that the database refuses becomes a 409 or 422 that names its place in the body; `printPath`
 * prints that place in the form of the route.
 */
export async function recordEvents<T>(
  write: () => Promise<T>,
  printPath: (index: number, field: string) => string,
): Promise<T> {
  try {
    crashPoint('api before the write');
    const written = await write();
    crashPoint('api after the commit');
    return written;
  } catch (error) {
    const reject = (
      status: number,
      field: string,
      { index, message }: { readonly index: number; readonly message: string },
      rejectReason: RejectReason,
    ) => new HttpProblem(status, message, { errors: [{ path: printPath(index, field), message }], rejectReason });
    if (error instanceof AuditConflictError) throw reject(409, 'id', error, 'conflict');
    if (error instanceof FutureEventError) throw reject(422, 'updated_at', error, 'in the future');
    if (error instanceof ClosedMonthError || error instanceof TooManyMonthsError)
      throw reject(422, 'updated_at', error, 'invalid');
    if (error instanceof UnreadableValueError) throw reject(422, error.path, error, 'invalid');
    if (error instanceof DetachedMonthError) throw reject(503, 'updated_at', error, 'database');
    throw error;
  }
}
