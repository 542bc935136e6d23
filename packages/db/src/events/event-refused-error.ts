import { DatabaseError, toDatabaseError } from '../database/database-error.ts';
import type { MonthOutcome } from '../months/month-maker.ts';
import { conflictMessage } from './repeated-event.ts';

/** Why one of a statement's events refuses the whole statement. */
export type EventRefusedError =
  | AuditConflictError
  | FutureEventError
  | ClosedMonthError
  | DetachedMonthError
  | TooManyMonthsError
  | UnreadableValueError;

/** The event that made an insert of `events` fail, or null if the insert failed for another reason. */
export function toEventRefusedError(
  error: unknown,
  events: readonly { readonly id: string }[],
): EventRefusedError | null {
  const databaseError = toDatabaseError(error);
  const index = databaseError === null ? -1 : findIndex(databaseError, events);
  switch (databaseError?.constraint) {
    case 'audit_log_occurred_at_not_future':
      return new FutureEventError(index, { cause: error });
    case 'outbox_audit_id':
      return new AuditConflictError(index, conflictMessage(events[index]?.id ?? ''), { cause: error });
    case 'audit_log_month_closed':
      return new ClosedMonthError(index, { cause: error });
    case 'audit_log_values_are_readable':
      return new UnreadableValueError(index, databaseError.column ?? '', { cause: error });
    default:
      return null;
  }
}

/**
 * Which event an error is about. The trigger's detail is the id alone. A CHECK's detail is the row, which begins with the
 * id; other columns hold what callers send, so an id there means nothing.
 */
function findIndex({ detail }: DatabaseError, events: readonly { readonly id: string }[]): number {
  const named = /^(?:[^(]*\()?([0-9a-f-]{36})(?:,|$)/.exec(detail ?? '')?.[1];
  return events.findIndex(({ id }) => id === named);
}

/** Why an event cannot be stored in a month that a maker was asked for; null if the month is there. */
export function toMonthError(outcome: MonthOutcome | undefined, index: number): Error | null {
  switch (outcome?.kind) {
    case undefined:
    case 'made':
      return null;
    case 'out of range':
      return new FutureEventError(index, {});
    case 'error':
      return outcome.error.constraint === 'audit_log_month_detached'
        ? new DetachedMonthError(index, { cause: outcome.error })
        : outcome.error;
    default:
      return outcome satisfies never;
  }
}

/** Whether an id of the statement is taken: another statement inserted it first, or at another time. */
export function isIdTaken(error: unknown): boolean {
  const constraint = toDatabaseError(error)?.constraint ?? '';
  return /^(audit_log_\d{4}_\d\d_pkey|outbox_audit_id)$/.test(constraint);
}

/** Whether the sequence of outbox ids is behind the rows: somebody copied the tables without it. No event is to blame. */
export function isSequenceBehind(error: unknown): boolean {
  return toDatabaseError(error)?.constraint === 'outbox_pkey';
}

/** One event of a statement was refused. Nothing was written. */
abstract class OneEventError extends Error {
  readonly index: number;
  /** The cell that refused it; null where there is one database. */
  cell: string | null = null;
  constructor(index: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.index = index;
  }
}

/** The event's id is taken: by another writer, with other content, or by an event that was removed. */
export class AuditConflictError extends OneEventError {
  override readonly name = 'AuditConflictError';
  readonly code = 'AUDIT_CONFLICT';
}

/** An event's time is more than 5 minutes ahead of the database's clock. */
export class FutureEventError extends OneEventError {
  override readonly name = 'FutureEventError';
  readonly code = 'AUDIT_EVENT_IN_FUTURE';
  constructor(index: number, options: ErrorOptions) {
    super(index, "The event's time is more than 5 minutes in the future.", options);
  }
}

/** Retention is removing the event's month, so the event would be removed at once. */
export class ClosedMonthError extends OneEventError {
  override readonly name = 'ClosedMonthError';
  readonly code = 'AUDIT_MONTH_CLOSED';
  constructor(index: number, options: ErrorOptions) {
    super(index, "The event's time is in a month that retention is removing.", options);
  }
}

/** Somebody detached the table of the event's month by hand. */
export class DetachedMonthError extends OneEventError {
  override readonly name = 'DetachedMonthError';
  readonly code = 'AUDIT_MONTH_DETACHED';
  constructor(index: number, options: ErrorOptions) {
    super(index, "The table of the event's month was detached by hand. The operator must attach it again.", options);
  }
}

/** One call may make only a few months, because each is a table. */
export class TooManyMonthsError extends OneEventError {
  override readonly name = 'TooManyMonthsError';
  readonly code = 'AUDIT_TOO_MANY_MONTHS';
  constructor(index: number, most: number) {
    super(
      index,
      `The events need more than ${most} months that do not exist yet. Send each month in a separate request.`,
    );
  }
}

/** A value holds text that Postgres stores and other programs cannot read. */
export class UnreadableValueError extends OneEventError {
  override readonly name = 'UnreadableValueError';
  readonly code = 'AUDIT_VALUE_UNREADABLE';
  /** The place: `updated_values.notes[3]`. */
  readonly path: string;
  constructor(index: number, path: string, options: ErrorOptions) {
    super(index, 'contains U+0000 or half of a surrogate pair, which cannot be stored', options);
    this.path = path;
  }
}

/** Names the cell in an error of its database, or about one event. */
export function nameCell(error: unknown, cell: string): void {
  if (error instanceof OneEventError || error instanceof DatabaseError) error.cell ??= cell;
}
