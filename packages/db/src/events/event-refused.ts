import { databaseFault } from '../database-error.ts';

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
    const fault = databaseFault(error);
    if (fault?.constraint !== 'outbox_audit_id_destination') return null;
    const index = events.findIndex(({ id }) => fault.detail?.includes(id));
    const message = 'An audit event with this id was recorded and exported before; retention has removed it since.';
    return new AuditConflictError(index, message, { cause: error });
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

  /** The trigger names the event by its id in the error's detail. */
  static from(error: unknown, events: readonly { readonly id: string }[]): FutureEventError | null {
    const fault = databaseFault(error);
    if (fault?.constraint !== 'audit_log_occurred_at_not_future') return null;
    return new FutureEventError(
      events.findIndex(({ id }) => id === fault.detail),
      { cause: error },
    );
  }
}
