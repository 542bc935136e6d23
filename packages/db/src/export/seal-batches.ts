import type { Grain } from '@auditbox/core/export/partition.ts';
import type { Fragment, Sql } from 'postgres';
import type { Database } from '../database/connect.ts';
import { idsIn } from '../sql/ids-in.ts';

/** When pending rows become a batch, and how large. */
export interface SealLimits {
  readonly grain: Grain;
  readonly maxRows: number;
  /** Of uncompressed NDJSON. A row that is larger by itself is quarantined. */
  readonly maxBytes: number;
  /** How long a row may wait for company in its partition. */
  readonly lingerMs: number;
  /** Most batches of one call: a backfill over a thousand hours must not become a thousand uploads at once. */
  readonly maxBatches: number;
}

/** Which pending rows a call looks at, by outbox ids; all of them where nothing is said. */
export interface SealRange {
  /** Only rows behind this id. Keeps the scan off the dead index entries of rows sealed long ago. */
  readonly after?: string;
  /** Only rows up to this id. */
  readonly upTo?: string;
  /** Only these rows. */
  readonly only?: readonly string[];
}

/** What a call did, and from where the next one should look. */
export interface Sealed {
  /** False when another sealer was at work: then nothing was looked at. */
  readonly looked: boolean;
  readonly batches: number;
  readonly rows: number;
  readonly quarantined: number;
  /** Every pending row up to this outbox id was seen and taken. Only a hint: rows commit out of id order. */
  readonly seenUpTo: string;
  /** How long until the oldest row that was seen has lingered enough; null if none was seen. Counts when none was taken. */
  readonly ripeInMs: number | null;
}

/** Looks at two full batches' rows: at the turn of an hour, when two partitions share them, one of the two is full. */
const window = 2;

const partitionFormat = { hour: 'YYYY-MM-DD"T"HH24', day: 'YYYY-MM-DD' } as const;

/** Any number will do; every sealer of Auditbox takes this one. */
const sealLock = 7_283_104_912;

/**
 * Puts pending outbox rows into batches, oldest first; from then on a batch's rows never change. Called by the
 * exporter's sealer, and by drain and replay, outside of any transaction.
 *
 * One statement. It locks the rows that it stamps, and while it runs an advisory lock that lets one sealer work at a
 * time; a second one finds nothing to do. That lock only saves work. What makes it correct is that a batch is made of
 * the rows that the update really stamped: a row that another sealer took since this statement's snapshot is seen by
 * the update, not stamped and not counted. If we die right after, all of it is committed or none; a sealed batch is
 * there for any exporter to lease.
 *
 * It looks at so many of the oldest rows that with two partitions among them one is full; while rows of more partitions
 * come in than that, a batch may become full behind the look, and waits for no longer than the linger.
 *
 * Rows become visible out of id order, so a caller that uses `after` must come back to what is below it.
 *
 * The updates find their rows by place (ctid), which holds for as long as nobody else updates the row; then it fails the
 * test. They test `num_nonnulls(…) = 0` and not `… is null and … is null`: with those words the planner would join
 * through the index of pending rows, which its statistics call empty, and a backlog would take time by its square.
 */
export async function sealBatches(db: Database, limits: SealLimits, range: SealRange = {}): Promise<Sealed> {
  const [sealed] = await db.query((sql) => sql<[Sealed]>`${sealStatement(db.sql, limits, range)}`);
  return sealed;
}

/** The one statement of sealBatches, so that its plan can be looked at too. */
export function sealStatement(sql: Sql, limits: SealLimits, range: SealRange): Fragment {
  const { grain, maxRows, maxBytes, lingerMs, maxBatches } = limits;
  const { after = '0', upTo = null, only = null } = range;
  return sql`
    with turn as materialized (
      select pg_try_advisory_xact_lock(${sealLock}) as ours
    ), candidate as materialized (
      select ctid, id, occurred_at, recorded_at, bytes,
        date_trunc(${grain}, occurred_at at time zone 'UTC') as starts_at
      from outbox
      where (select ours from turn)
        and batch_id is null and quarantine_reason is null and destination = 's3' and id > ${after}
        ${upTo === null ? sql`` : sql`and id <= ${upTo}`}
        ${only === null ? sql`` : sql`and id in (${idsIn(sql, only)})`}
      order by id
      limit ${Math.ceil(maxRows * window)}
    ), queued as materialized (
      select ctid, id, recorded_at, bytes, starts_at,
        count(*) over so_far as rows_so_far, sum(bytes) over so_far as bytes_so_far
      from candidate
      where bytes <= ${maxBytes}
      window so_far as (partition by starts_at order by id rows unbounded preceding)
    ), ripe as materialized (
      select starts_at, nextval('export_batch_id_seq') as batch_id
      from (
        select starts_at from queued
        group by starts_at
        having count(*) >= ${maxRows} or sum(bytes) >= ${maxBytes}
          or min(recorded_at) <= clock_timestamp() - ${lingerMs} * interval '1 millisecond'
        order by min(id)
        limit ${maxBatches}
      ) oldest_first
    ), placed as materialized (
      select queued.ctid, id, starts_at,
        case when rows_so_far <= ${maxRows} and bytes_so_far <= ${maxBytes} then batch_id end as batch_id
      from queued left join ripe using (starts_at)
    ), stamped as (
      update outbox o set batch_id = placed.batch_id
      from placed
      where o.ctid = placed.ctid and placed.batch_id is not null and num_nonnulls(o.batch_id, o.quarantine_reason) = 0
      returning o.batch_id, o.occurred_at
    ), oversize as (
      update outbox o set quarantine_reason =
        format('The event takes %s bytes as a line; EXPORT_BATCH_MAX_BYTES is %s.', o.bytes, ${maxBytes}::bigint)
      from candidate
      where o.ctid = candidate.ctid and candidate.bytes > ${maxBytes}
        and num_nonnulls(o.batch_id, o.quarantine_reason) = 0
      returning o.id
    ), sealed as (
      insert into export_batch (id, partition, row_count, first_occurred_at, last_occurred_at)
      select batch_id, to_char(starts_at, ${partitionFormat[grain]}), row_count, first_occurred_at, last_occurred_at
      from ripe join (
        select batch_id, count(*) as row_count, min(occurred_at) as first_occurred_at, max(occurred_at) as last_occurred_at
        from stamped group by batch_id
      ) batch using (batch_id)
      returning row_count
    )
    select
      (select ours from turn) as looked,
      (select count(*) from sealed)::int as batches,
      (select coalesce(sum(row_count), 0) from sealed)::int as rows,
      (select count(*) from oversize)::int as quarantined,
      coalesce(
        (select min(id) - 1 from placed where batch_id is null),
        (select max(id) from candidate),
        ${after}::bigint
      )::text as "seenUpTo",
      (
        select extract(epoch from min(recorded_at) + ${lingerMs} * interval '1 millisecond' - clock_timestamp()) * 1000
        from queued
      )::float8 as "ripeInMs"`;
}
