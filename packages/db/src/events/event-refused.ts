import type { NewAuditEvent } from '@auditbox/core/event/audit-event.ts';
import { toDatabaseError } from '../database/database-error.ts';
import { monthOf } from '../months/make-partitions.ts';

/** What a writer's statement can be refused for, by one of its events. */
export type EventRefusal = AuditConflictError | FutureEventError | ClosedMonthError;

/** The refusal behind a failed insert of `events`, or null if it failed for another reason. */
export function refusalOf(error: unknown, events: readonly { readonly id: string }[]): EventRefusal | null {
  return (
    FutureEventError.from(error, events) ??
    AuditConflictError.from(error, events) ??
    ClosedMonthError.from(error, events)
  );
}

/** Whether an insert found an id taken that was free when it looked: trying again finds the event. */
export function isTaken(error: unknown): boolean {
  const constraint = toDatabaseError(error)?.constraint ?? '';
  return /^(audit_log_\d{4}_\d\d_pkey|outbox_audit_id_destination|pruned_event_pkey)$/.test(constraint);
}

export const removedMessage =
  'An audit event with this id was recorded and exported before; retention has removed it since.';

/** An event's id is taken: stored with other content, or recorded, exported and removed since. Nothing was written. */
export class AuditConflictError extends Error {
  override readonly name = 'AuditConflictError';
  readonly code = 'AUDIT_CONFLICT';
  readonly index: number;
  constructor(index: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.index = index;
  }

  /** The audit row is gone by retention, its outbox row is still there: storing it again would export it twice. */
  static from(error: unknown, events: readonly { readonly id: string }[]): AuditConflictError | null {
    const fault = toDatabaseError(error);
    if (!/^(outbox_audit_id_destination|pruned_event_pkey)$/.test(fault?.constraint ?? '')) return null;
    const index = events.findIndex(({ id }) => fault?.detail?.includes(id));
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

  /** The first event of one of these months; null if none is. */
  static ofMonths(
    months: ReadonlySet<string>,
    events: readonly NewAuditEvent[],
    cause: unknown,
  ): FutureEventError | null {
    const index = events.findIndex(({ occurredAt }) => occurredAt !== null && months.has(monthOf(occurredAt.utc)));
    return index === -1 ? null : new FutureEventError(index, { cause });
  }

  /** The trigger names the event by its id in the error's detail. */
  static from(error: unknown, events: readonly { readonly id: string }[]): FutureEventError | null {
    const fault = toDatabaseError(error);
    if (fault?.constraint !== 'audit_log_occurred_at_not_future') return null;
    return new FutureEventError(
      events.findIndex(({ id }) => id === fault.detail),
      { cause: error },
    );
  }
}

/** An event is of a month that is being removed by retention: it would be gone at once. Nothing was written. */
export class ClosedMonthError extends Error {
  override readonly name = 'ClosedMonthError';
  readonly code = 'AUDIT_MONTH_CLOSED';
  readonly index: number;
  constructor(index: number, options: ErrorOptions) {
    super("The event's time lies in a month that retention removes.", options);
    this.index = index;
  }

  static from(error: unknown, events: readonly { readonly id: string }[]): ClosedMonthError | null {
    const fault = toDatabaseError(error);
    if (fault?.constraint !== 'audit_log_month_closed') return null;
    return new ClosedMonthError(
      events.findIndex(({ id }) => fault.detail?.includes(id)),
      { cause: error },
    );
  }
}
