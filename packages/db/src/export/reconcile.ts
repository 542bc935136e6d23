import type { Database } from '../database/connect.ts';

/** Where the reconciliation of outbox rows with batches stands: the id behind which the next block begins. */
export type OutboxCursor = string;

/** Where the reconciliation of events with outbox rows stands: an event's time, ISO 8601 in UTC, and its id. */
export interface AuditLogCursor {
  readonly occurredAt: string;
  readonly id: string;
}

export const outboxStart: OutboxCursor = '0';
export const auditLogStart: AuditLogCursor = {
  occurredAt: '1970-01-01T00:00:00Z',
  id: '00000000-0000-0000-0000-000000000000',
};

export interface OutboxBlock {
  /** The same as before while another session seals; null at the end. */
  readonly next: OutboxCursor | null;
  /** Rows that no batch and no gap had: the frontier was wrong. The next seal takes them. */
  readonly lostRows: number;
}

/**
 * Looks through a block of outbox rows for those that are in no batch although the frontier passed them.
 *
 * Caller: the exporter's housekeeping, block after block.
 * Locks: the frontier's row, for the time of one block.
 * Crash: the block's rows are gaps or not; the call can be repeated.
 */
export async function reconcileOutbox(db: Database, behind: OutboxCursor, maxRows: number): Promise<OutboxBlock> {
  const [row] = await db.query(
    (sql) => sql<[OutboxBlock]>`
      select next_behind::text as next, lost_rows::int as "lostRows"
      from auditbox.reconcile_outbox(${behind}::bigint, ${maxRows}::int)`,
  );
  return row;
}

export interface AuditLogBlock {
  /** Null at the end. */
  readonly next: AuditLogCursor | null;
  /** Events without an outbox row, which have one now: a trigger was off, or a month was attached by hand. */
  readonly restoredRows: number;
  /** Events whose id belongs to an event of another time. They are never exported; a person must look. */
  readonly conflictingRows: number;
}

/**
 * Looks through a block of events for those without an outbox row.
 *
 * Caller: the exporter's housekeeping, block after block.
 * Locks: none that others wait for, but writers of the same id.
 * Crash: the block's outbox rows are there or not; the call can be repeated.
 */
export async function reconcileAuditLog(db: Database, behind: AuditLogCursor, maxRows: number): Promise<AuditLogBlock> {
  const [row] = await db.query(
    (sql) => sql<[{ occurredAt: string | null; id: string; restored: number; conflicting: number }]>`
      select to_char(next_time at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "occurredAt", next_id as id,
        restored::int, conflicting::int
      from auditbox.reconcile_audit_log(
        ${behind.occurredAt}::text::timestamptz, ${behind.id}::text::uuid, ${maxRows}::int)`,
  );
  const next = row.occurredAt === null ? null : { occurredAt: row.occurredAt, id: row.id };
  return { next, restoredRows: row.restored, conflictingRows: row.conflicting };
}
