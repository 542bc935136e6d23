import type { LeasedBatch } from '@auditbox/core/export/batch.ts';
import type { Sql } from 'postgres';
import type { Database } from '../database/connect.ts';
import { idsIn } from '../sql/ids-in.ts';
import { isoUtc } from '../sql/iso-utc.ts';
import type { ReplayIds } from './replay-failed.ts';

/** As it comes: the render's columns are all null or none. */
type LeasedRow = Omit<LeasedBatch, 'rendered'> & {
  readonly key: string | null;
  readonly sha256: string | null;
  readonly objectBytes: number | null;
};

/**
 * Takes the lease of the batch that has been due the longest, and counts the attempt; null when none is due. Called by
 * the exporter's uploaders, outside of any transaction. `only` narrows it to what a replay is about.
 *
 * Due is a sealed batch whose wait is over, or one whose lease ran out: its holder died, hangs or was stopped. Locks
 * that one row; other exporters skip it. If we die right after, the lease runs out by the database's clock.
 */
export async function leaseBatch(
  db: Database,
  leaseMs: number,
  only: ReplayIds | null = null,
): Promise<LeasedBatch | null> {
  const among = (sql: Sql) =>
    only === null
      ? sql``
      : sql`and (id in (${idsIn(sql, only.batchIds)})
          or id in (select batch_id from outbox where id in (${idsIn(sql, only.outboxIds)})))`;
  const [batch] = await db.query(
    (sql) => sql<LeasedRow[]>`
    with due as materialized (
      select id from export_batch
      where destination = 's3' and (
          (state = 'sealed' and next_attempt_at <= clock_timestamp())
          or (state = 'uploading' and leased_until <= clock_timestamp())
        )
        ${among(sql)}
      order by next_attempt_at, id
      limit 1
      for update skip locked
    )
    update export_batch b
    set state = 'uploading', attempts = attempts + 1, lease_token = gen_random_uuid(),
      leased_until = clock_timestamp() + ${leaseMs} * interval '1 millisecond'
    from due
    where b.id = due.id
    returning b.id::text, b.partition, b.row_count as "rowCount", b.attempts, b.lease_token as "leaseToken",
      to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "leasedAt",
      ${isoUtc(sql, 'b.first_occurred_at')} as "firstOccurredAt", ${isoUtc(sql, 'b.last_occurred_at')} as "lastOccurredAt",
      b.object_key as key, b.sha256, b.object_bytes::float8 as "objectBytes"`,
  );
  if (!batch) return null;
  const { key, sha256, objectBytes, ...leased } = batch;
  const isRendered = key !== null && sha256 !== null && objectBytes !== null;
  return { ...leased, rendered: isRendered ? { key, sha256, objectBytes } : null };
}
