import type { Grain } from '@auditbox/core/export/partition.ts';
import type { Database } from '../database/connect.ts';
import { oldestStart } from '../queries/running-writers.ts';
import { isoUtc } from '../sql/iso-utc.ts';

/** Why events of a partition may be missing in the archive. The first that holds, in this order. */
export const openReasons = [
  /** The hour or day has not ended by the database's clock. */
  'not-over',
  /** The exporter files by days, so no hour can be stated. */
  'filed-by-day',
  /** Events of it are in no batch yet, or more than 10,000 events of any time are in none. */
  'events-wait',
  /** A batch of it has not arrived. */
  'batches-wait',
  /** An event of it was rejected and waits for a person. */
  'rows-rejected',
  /** A transaction that began before its end still runs, and may commit an event of it. */
  'transactions-run',
] as const;

/** Whether an hour or a day of event time is whole in the archive now, and what it has there. */
export interface PartitionState {
  /** `2026-07-03T11` or `2026-07-03`. */
  readonly partition: string;
  /** Null: every recorded event of it is in the archive. A late event opens it again. */
  readonly openBecause: (typeof openReasons)[number] | null;
  /** Objects in the archive. The number only grows, so the same number means the same content. */
  readonly objects: number;
  /** Events in these objects. */
  readonly rows: number;
  readonly waitingBatches: number;
  /** When the last object arrived: ISO 8601 in UTC; null without objects. */
  readonly lastDoneAt: string | null;
}

/** With more events without a batch, each partition is reported as open. */
const pendingLimit = 10_000;

interface StatesQuery {
  readonly destination: string;
  readonly grain: Grain;
  /** First and last moment, both included; ISO 8601 in UTC. */
  readonly from: string;
  readonly to: string;
}

/** The state of each hour or day of a range, in order. All from one snapshot. A test names the oldest transaction. */
export async function listPartitionStates(
  db: Database,
  query: StatesQuery,
  readOldest: (db: Database) => Promise<string | null> = oldestStart,
): Promise<PartitionState[]> {
  // In this order: a transaction that ended before this reading is in the snapshot of the next statement.
  const oldest = await readOldest(db);
  return readStates(db, query, oldest);
}

/**
 * `oldest`: every transaction that began before this time is in the snapshot. Null if the owner of the schema may not see
 * when transactions began; then none is expected to run for an hour.
 *
 * Caller: `GET /exports/hours` and `npm run archive -- hours`, on the primary.
 * Locks: none.
 * Crash: nothing is written.
 */
async function readStates(
  db: Database,
  { destination, grain, from, to }: StatesQuery,
  oldest: string | null,
): Promise<PartitionState[]> {
  const [form, length] = grain === 'hour' ? ['YYYY-MM-DD"T"HH24', 13] : ['YYYY-MM-DD', 10];
  const rows = await db.query(
    (sql) => sql<PartitionState[]>`
      with wanted as materialized (
        select to_char(starts_at, ${form}::text) as partition, starts_at at time zone 'UTC' as starts_at,
          (starts_at + ${`1 ${grain}`}::interval) at time zone 'UTC' as ends_at
        from generate_series(date_trunc(${grain}::text, ${from}::timestamptz at time zone 'UTC'),
          ${to}::timestamptz at time zone 'UTC', ${`1 ${grain}`}::interval) as series (starts_at)
      ), in_gap as materialized (
        select o.occurred_at
        from auditbox.frontier f cross join lateral unnest(f.gaps) as gap cross join lateral (
          select occurred_at from auditbox.outbox o
          where o.id >= lower(gap) and o.id < upper(gap) limit ${pendingLimit + 1}
        ) o
        limit ${pendingLimit + 1}
      ), behind as materialized (
        select o.occurred_at
        from auditbox.frontier f cross join lateral (
          select occurred_at from auditbox.outbox o where o.id > f.sealed_up_to order by o.id limit ${pendingLimit + 1}
        ) o
      ), pending as materialized (
        select distinct date_trunc(${grain}::text, occurred_at at time zone 'UTC') at time zone 'UTC' as starts_at
        from (select * from in_gap union all select * from behind) either
      ), backlog as materialized (
        select (select count(*) from in_gap) > ${pendingLimit} or (select count(*) from behind) > ${pendingLimit}
          -- Without a frontier nobody knows what is sealed.
          or not exists (select from auditbox.frontier) as is_long
      ), filed as materialized (
        -- A day has the batches of its hours, too.
        select left(b.partition, ${length}::int) as partition,
          count(*) filter (where d.state = 'done')::int as objects,
          coalesce(sum(b.row_count - rejected.rows) filter (where d.state = 'done'), 0)::float8 as rows,
          count(*) filter (where d.state <> 'done')::int as waiting,
          bool_or(rejected.open > 0) as has_rejected,
          max(d.done_at) as last_done_at
        from auditbox.batch b
        join auditbox.delivery d on d.destination = ${destination} and d.batch_id = b.id
        cross join lateral (
          select count(*) as rows, count(*) filter (where r.replayed_in is null) as open
          from auditbox.rejection r where r.destination = ${destination} and r.batch_id = b.id
        ) rejected
        where b.partition collate "C" >= (select left(min(partition), 10) from wanted)
          and b.partition collate "C" <= (select left(max(partition), 10) || 'T99' from wanted)
        group by 1
      )
      select w.partition,
        case
          when w.ends_at > clock_timestamp() then 'not-over'
          when ${grain}::text = 'hour' and exists (select from filed where partition = left(w.partition, 10)) then 'filed-by-day'
          when backlog.is_long or exists (select from pending p where p.starts_at = w.starts_at) then 'events-wait'
          when f.waiting > 0 then 'batches-wait'
          when f.has_rejected then 'rows-rejected'
          when w.ends_at > coalesce(${oldest}::timestamptz, clock_timestamp() - interval '1 hour') then 'transactions-run'
        end as "openBecause",
        coalesce(f.objects, 0) as objects, coalesce(f.rows, 0) as rows, coalesce(f.waiting, 0) as "waitingBatches",
        ${isoUtc(sql, 'f.last_done_at')} as "lastDoneAt"
      from wanted w cross join backlog left join filed f on f.partition = w.partition
      order by w.starts_at`,
  );
  return [...rows];
}
