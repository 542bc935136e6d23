import type { NewAuditEvent } from '@auditbox/core/event/audit-event.ts';
import type { TracedEvent } from '@auditbox/db/events/event-record.ts';
import {
  AuditConflictError,
  ClosedMonthError,
  type EventRefusedError,
  FutureEventError,
} from '@auditbox/db/events/event-refused-error.ts';
import { crashPoint } from '@auditbox/process/crash-point.ts';
import type { Response } from 'express';
import { callerOf } from '../http/auth.ts';
import { HttpProblem, type Refusal } from '../http/problem.ts';
import { traceparentOf } from '../http/trace-requests.ts';

/**
 * The event as the caller's own, whose request `response` answers: one that names no key is filed under the hash of the
 * caller's, and each keeps where the request is traced, if it is.
 */
export function eventOf(response: Response, event: NewAuditEvent): TracedEvent {
  const traceparent = traceparentOf(response);
  if (event.changedByApiKey !== null && traceparent === undefined) return event;
  return { ...event, changedByApiKey: event.changedByApiKey ?? callerOf(response).keyHash, traceparent };
}

/** Runs a write. What the table refuses becomes a 409 or 422 that says where, in the paths of this route. */
export async function writing<T>(
  write: () => Promise<T>,
  pathOf: (index: number, field: string) => string,
): Promise<T> {
  try {
    crashPoint('api before the write');
    const written = await write();
    crashPoint('api after the commit');
    return written;
  } catch (error) {
    const refused = (status: number, field: string, { index, message }: EventRefusedError, refusal: Refusal) =>
      new HttpProblem(status, message, { errors: [{ path: pathOf(index, field), message }], refusal });
    if (error instanceof AuditConflictError) throw refused(409, 'id', error, 'conflict');
    if (error instanceof FutureEventError) throw refused(422, 'updated_at', error, 'in the future');
    if (error instanceof ClosedMonthError) throw refused(422, 'updated_at', error, 'invalid');
    throw error;
  }
}
