import type { NewAuditEvent } from '@auditbox/core/event/audit-event.ts';
import type { TracedEvent } from '@auditbox/db/events/event-record.ts';
import { AuditConflictError, ClosedMonthError, FutureEventError } from '@auditbox/db/events/event-refused.ts';
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
    if (error instanceof ClosedMonthError) throw reject(422, 'updated_at', error, 'invalid');
    throw error;
  }
}
