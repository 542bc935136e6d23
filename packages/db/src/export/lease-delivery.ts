import { randomUUID } from 'node:crypto';
import type { LeasedDelivery } from '@auditbox/core/export/delivery.ts';
import type { Fragment, Sql } from 'postgres';
import type { Database } from '../database/connect.ts';
import { idsIn } from '../sql/ids-in.ts';

/** The render's columns are all null or none. */
type LeasedRow = Omit<LeasedDelivery, 'rendered' | 'destination' | 'leaseToken'> & {
  readonly key: string | null;
  readonly sha256: string | null;
  readonly objectBytes: number | null;
};

/** Twice the longest lease and wait that the settings allow. Somebody changed a time that is further ahead. */
const longestWaitMs = 7_200_000;
/** A wait that began this long after now began before the clock went back. Clocks of two servers differ by less. */
const clockWentBackMs = 60_000;
/** A delivery is new if its batch is one of this many that were sealed last. A seal for many tenants makes a batch for each. */
const newBatches = 1_000;

export interface LeaseRequest {
  readonly destination: string;
  readonly leaseMs: number;
  /** Narrows it to these batches; null takes any. */
  readonly batchIds: readonly string[] | null;
  /** Whether a due delivery of a new batch goes before those that have been due for longer. The newest batch is the first. */
  readonly newestFirst?: boolean;
}

/**
 * Takes the lease of the destination's delivery that has been due the longest, or of the newest one, and counts the attempt;
 * null if none is due, or if the destination is paused or unknown.
 *
 * A sealed delivery is due when its wait is over. One that is being sent is due when its lease is over: its holder died,
 * hangs or was stopped. A wait or a lease that began ahead of now is over too: the clock of the database jumped ahead and
 * came back. So is one that ends later than any setting allows.
 *
 * Caller: the senders of the exporter, outside of any transaction.
 * Locks: that one delivery. Other exporters skip it.
 * Crash: the lease runs out by the database's clock.
 */
export async function leaseDelivery(
  db: Database,
  { destination, leaseMs, batchIds, newestFirst = false }: LeaseRequest,
): Promise<LeasedDelivery | null> {
  const leaseToken = randomUUID();
  const among = batchIds === null ? db.sql`` : db.sql`and batch_id in (${idsIn(db.sql, batchIds)})`;
  const newest = newestFirst
    ? selectNewest(db.sql, destination, among)
    : db.sql`select null::bigint as batch_id where false`;
  const [row] = await db.query(
    (sql) => sql<LeasedRow[]>`
    with at as materialized (
      select statement_timestamp() as now, statement_timestamp() + ${longestWaitMs} * interval '1 millisecond' as furthest,
        statement_timestamp() + ${clockWentBackMs} * interval '1 millisecond' as ahead
      where exists (select from auditbox.destination where name = ${destination} and not is_paused)
    ), newest as materialized (${newest}), waited as materialized (
      select batch_id from auditbox.delivery
      where destination = ${destination} and next_attempt_at <= (select now from at)
        and not exists (select from newest)
        -- These words let the partial index serve.
        and state in ('sealed', 'sending')
        and (state = 'sealed' or leased_until <= (select now from at) or leased_until > (select furthest from at)
          or waits_since > (select ahead from at))
        ${among}
      order by next_attempt_at, batch_id
      limit 1
      for update skip locked
    ), postponed as materialized (
      select batch_id from auditbox.delivery
      where destination = ${destination} and next_attempt_at > (select now from at)
        and state in ('sealed', 'sending')
        and (waits_since > (select ahead from at) or case state
          when 'sealed' then next_attempt_at > (select furthest from at)
          else leased_until <= (select now from at) or leased_until > (select furthest from at)
        end)
        and not exists (select from newest) and not exists (select from waited)
        ${among}
      order by next_attempt_at, batch_id
      limit 1
      for update skip locked
    ), leased as (
      update auditbox.delivery
      set state = 'sending', attempts = attempts + 1, lease_token = ${leaseToken}::uuid,
        leased_until = statement_timestamp() + ${leaseMs} * interval '1 millisecond',
        next_attempt_at = least(next_attempt_at, statement_timestamp())
      where destination = ${destination} and batch_id = coalesce(
        (select batch_id from newest), (select batch_id from waited), (select batch_id from postponed))
      returning batch_id, attempts, object_key, sha256, object_bytes
    )
    select b.id::text as "batchId", b.partition, b.tenant, l.attempts,
      b.row_count - (
        select count(*)::int from auditbox.rejection r where r.destination = ${destination} and r.batch_id = b.id
      ) as "rowCount",
      to_char(statement_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "leasedAt",
      to_char(coalesce(kept.first, b.first_occurred_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "firstOccurredAt",
      to_char(coalesce(kept.last, b.last_occurred_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "lastOccurredAt",
      l.object_key as key, l.sha256, l.object_bytes::float8 as "objectBytes",
      exists (select from newest) as "isNewest"
    from leased l join auditbox.batch b on b.id = l.batch_id
    -- Rejected rows are not in the object, so their times do not name it.
    left join lateral (
      select min(o.occurred_at) as first, max(o.occurred_at) as last
      from unnest(b.outbox_ids) as ids join auditbox.outbox o on o.id >= lower(ids) and o.id < upper(ids)
      where exists (select from auditbox.rejection r where r.destination = ${destination} and r.batch_id = b.id)
        and not exists (
          select from auditbox.rejection r
          where r.destination = ${destination} and r.batch_id = b.id and r.outbox_id = o.id
        )
    ) kept on true`,
  );
  if (!row) return null;
  const { key, sha256, objectBytes, ...leased } = row;
  const isRendered = key !== null && sha256 !== null && objectBytes !== null;
  return { ...leased, destination, leaseToken, rendered: isRendered ? { key, sha256, objectBytes } : null };
}

/** The newest of the new batches whose delivery is due. Nothing of it is run while no delivery is due. */
function selectNewest(sql: Sql, destination: string, among: Fragment): Fragment {
  return sql`
      select batch_id from auditbox.delivery
      where destination = ${destination}
        and exists (
          select from auditbox.delivery
          where destination = ${destination} and next_attempt_at <= (select now from at) and state in ('sealed', 'sending')
        )
        -- History, and what is tried or sent again, may have become due later than a new batch. Their ids are lower.
        and batch_id > (select max(batch_id) from auditbox.delivery where destination = ${destination}) - ${newBatches}::int
        and next_attempt_at <= (select now from at)
        -- In words that the partial index does not serve, because it would have to sort every due delivery.
        and state not in ('done', 'failed')
        and (state = 'sealed' or leased_until <= (select now from at) or leased_until > (select furthest from at)
          or waits_since > (select ahead from at))
        ${among}
      order by batch_id desc
      limit 1
      for update skip locked`;
}
