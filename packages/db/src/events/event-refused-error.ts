import type { NewAuditEvent } from '@auditbox/core/event/audit-event.ts';
import { toDatabaseError } from '../database/database-error.ts';
import { toMonth } from '../months/make-months.ts';

/** Why one of a statement's events refuses the whole statement. */
export type EventRefusedError = AuditConflictError | FutureEventError | ClosedMonthError;

/** The event that made an insert of `events` fail, or null if the insert failed for another reason. */
export function toEventRefusedError(
  error: unknown,
  events: readonly { readonly id: string }[],
): EventRefusedError | null {
  return (
    FutureEventError.from(error, events) ??
    AuditConflictError.from(error, events) ??
    ClosedMonthError.from(error, events)
  );
}

/** Whether another statement took an id after this one had found it free. A retry finds the event. */
export function isIdTaken(error: unknown): boolean {
  const constraint = toDatabaseError(error)?.constraint ?? '';
  return /^(audit_log_\d{4}_\d\d_pkey|outbox_audit_id_destination|pruned_event_pkey)$/.test(constraint);
}

export const removedMessage = 'An audit event with this id was recorded and exported before. Retention has removed it.';

/** The event's id is stored with other content, or was recorded, exported and removed. Nothing was written. */
export class AuditConflictError extends Error {
  override readonly name = 'AuditConflictError';
  readonly code = 'AUDIT_CONFLICT';
  readonly index: number;
  constructor(index: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.index = index;
  }

  /** Retention removed the audit row but its id is still known: storing it again would export it twice. */
  static from(error: unknown, events: readonly { readonly id: string }[]): AuditConflictError | null {
    const databaseError = toDatabaseError(error);
    if (!/^(outbox_audit_id_destination|pruned_event_pkey)$/.test(databaseError?.constraint ?? '')) return null;
    const index = events.findIndex(({ id }) => databaseError?.detail?.includes(id));
    return new AuditConflictError(index, removedMessage, { cause: error });
  }
}

/** An event's time is more than 5 minutes ahead of the database's clock. Nothing was written. */
export class FutureEventError extends Error {
  override readonly name = 'FutureEventError';
  readonly code = 'AUDIT_EVENT_IN_FUTURE';
  readonly index: number;
  constructor(index: number, options: ErrorOptions) {
    super("The event's time is more than 5 minutes in the future.", options);
    this.index = index;
  }

  /** The first event in one of these months; null if no event is. */
  static fromMonths(
    months: ReadonlySet<string>,
    events: readonly NewAuditEvent[],
    cause: unknown,
  ): FutureEventError | null {
    const index = events.findIndex(({ occurredAt }) => occurredAt !== null && months.has(toMonth(occurredAt.utc)));
    return index === -1 ? null : new FutureEventError(index, { cause });
  }

  /** The trigger names the event by its id in the error's detail. */
  static from(error: unknown, events: readonly { readonly id: string }[]): FutureEventError | null {
    const databaseError = toDatabaseError(error);
    if (databaseError?.constraint !== 'audit_log_occurred_at_not_future') return null;
    return new FutureEventError(
      events.findIndex(({ id }) => id === databaseError.detail),
      { cause: error },
    );
  }
}

/** Retention is removing the event's month, so the event would be removed at once. Nothing was written. */
export class ClosedMonthError extends Error {
  override readonly name = 'ClosedMonthError';
  readonly code = 'AUDIT_MONTH_CLOSED';
  readonly index: number;
  constructor(index: number, options: ErrorOptions) {
    super("The event's time is in a month that retention is removing.", options);
    this.index = index;
  }

  static from(error: unknown, events: readonly { readonly id: string }[]): ClosedMonthError | null {
    const databaseError = toDatabaseError(error);
    if (databaseError?.constraint !== 'audit_log_month_closed') return null;
    return new ClosedMonthError(
      events.findIndex(({ id }) => databaseError.detail?.includes(id)),
      { cause: error },
    );
  }
}
