import type { DeliveryLease } from '@auditbox/core/export/delivery.ts';
import type { Database } from '../database/connect.ts';

/** A delivery by requests that may begin or go on. */
export interface BegunRequests {
  /** How it is cut and formatted, as its first attempt recorded it. */
  readonly sentAs: string;
  /** How many rows of the batch are settled. The next request begins behind them. */
  readonly nextRow: number;
  /** Of the whole batch, rejected ones included. */
  readonly rowCount: number;
  /** Of the whole batch. ISO 8601 in UTC, six fraction digits. */
  readonly firstOccurredAt: string;
  readonly lastOccurredAt: string;
  /**
   * When the batch was sealed, in microseconds since 1970. A database that was restored from a backup numbers its next batches as
   * before, and seals them at other times.
   */
  readonly sealedAt: string;
}

/**
 * Records how a delivery is cut and formatted, unless an earlier attempt did, and returns what is in force and how far the
 * delivery is. Null means that the lease is lost.
 *
 * Caller: the exporter before the first request of an attempt, outside of any transaction.
 * Locks: the delivery.
 * Crash: the next attempt is cut and formatted in the same way, whatever the settings are by then. So a request that was
 * under way is sent again with the same key and bytes.
 */
export async function beginRequests(
  db: Database,
  { destination, batchId, leaseToken }: DeliveryLease,
  sentAs: string,
): Promise<BegunRequests | null> {
  const [row] = await db.query(
    (sql) => sql<BegunRequests[]>`
    with begun as (
      update auditbox.delivery d set sent_as = coalesce(d.sent_as, ${sentAs})
      where d.destination = ${destination} and d.batch_id = ${batchId} and d.lease_token = ${leaseToken}::uuid
        and d.state = 'sending'
      returning d.batch_id, d.sent_as, d.next_row
    )
    select u.sent_as as "sentAs", u.next_row as "nextRow", b.row_count as "rowCount",
      to_char(b.first_occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "firstOccurredAt",
      to_char(b.last_occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "lastOccurredAt",
      (extract(epoch from b.sealed_at) * 1000000)::bigint::text as "sealedAt"
    from begun u join auditbox.batch b on b.id = u.batch_id`,
  );
  return row ?? null;
}
