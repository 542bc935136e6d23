import type { NewAuditEvent } from '@auditbox/core/audit-event.ts';
import { AuditConflictError, FutureEventError } from '@auditbox/db/events/event-refused.ts';
import type { WrittenEvent } from '@auditbox/db/events/write-events.ts';
import { crashPoint } from '@auditbox/process/crash-point.ts';
import type { Caller } from '../auth.ts';
import { HttpProblem } from '../problem.ts';

/** Stores events in one transaction; they are on disk when it resolves. */
export type Store = (events: readonly NewAuditEvent[]) => Promise<WrittenEvent[]>;

/**
 * Stores a caller's events: one that names no key is filed under the hash of the caller's. What the table refuses
 * becomes a 409 or 422 that says where, in the paths of this route.
 */
export async function storeForCaller(
  store: Store,
  { keyHash }: Caller,
  events: readonly NewAuditEvent[],
  pathOf: (index: number, field: string) => string,
): Promise<WrittenEvent[]> {
  try {
    crashPoint('api before the write');
    const written = await store(
      events.map((event) => ({ ...event, changedByApiKey: event.changedByApiKey ?? keyHash })),
    );
    crashPoint('api after the commit');
    return written;
  } catch (error) {
    const refused = (status: number, field: string, { index, message }: AuditConflictError | FutureEventError) =>
      new HttpProblem(status, message, { errors: [{ path: pathOf(index, field), message }] });
    if (error instanceof AuditConflictError) throw refused(409, 'id', error);
    if (error instanceof FutureEventError) throw refused(422, 'updated_at', error);
    throw error;
  }
}
