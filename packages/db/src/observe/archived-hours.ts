import type { Database } from '../database/connect.ts';

/** What a destination has of one hour, or of one day where objects are made by day. */
export interface ArchivedHour {
  /** `2026-07-03T14`, or `2026-07-03`. */
  readonly partition: string;
  /** Events in stored objects. */
  readonly events: number;
  readonly objects: number;
  readonly bytes: number;
  /** Objects under a signed checkpoint of the log. */
  readonly loggedObjects: number;
  /** Objects that the newest whole comparison with the bucket looked at. */
  readonly verifiedObjects: number;
  /** Events in batches that are not stored yet. */
  readonly waitingEvents: number;
  /** How long the oldest of these batches has waited since its first event was recorded; 0 without one. */
  readonly oldestWaitingAgeS: number;
  /** Events that wait for a person: in failed batches, or rejected. */
  readonly stuckEvents: number;
}

/**
 * The batches of a month of event time, added up by hour. `month` is its first day.
 *
 * Caller: `GET /archive`.
 * Locks: none. It reads an index over the batches of the month, and their deliveries.
 * Crash: nothing is written.
 */
export async function listArchivedHours(
  db: Database,
  { destination, month }: { destination: string; month: string },
): Promise<ArchivedHour[]> {
  return db.query(
    (sql) => sql<ArchivedHour[]>`
      select b.partition,
        coalesce(sum(b.row_count - r.rejected) filter (where d.state = 'done'), 0)::float8 as events,
        (count(*) filter (where d.state = 'done'))::int as objects,
        coalesce(sum(d.object_bytes) filter (where d.state = 'done'), 0)::float8 as bytes,
        (count(*) filter (where d.log_index < h.published_size))::int as "loggedObjects",
        (count(*) filter (where d.done_at < v.complete_before))::int as "verifiedObjects",
        coalesce(sum(b.row_count - r.rejected) filter (where d.state in ('sealed', 'sending')), 0)::float8 as "waitingEvents",
        coalesce(extract(epoch from
          statement_timestamp() - min(b.first_recorded_at) filter (where d.state in ('sealed', 'sending'))), 0)::float8
          as "oldestWaitingAgeS",
        -- A rejected row that was replayed is counted with the batch of its replay.
        (coalesce(sum(b.row_count - r.rejected) filter (where d.state = 'failed'), 0) + sum(r.open))::float8 as "stuckEvents"
      from auditbox.batch b
      join auditbox.delivery d on d.destination = ${destination} and d.batch_id = b.id
      left join auditbox.log_head h on h.destination = d.destination
      left join auditbox.last_verify v on v.destination = d.destination
      cross join lateral (
        select count(*) as rejected, count(*) filter (where x.replayed_in is null) as open
        from auditbox.rejection x
        where x.destination = d.destination and x.batch_id = b.id
      ) r
      where date_trunc('month', b.first_occurred_at at time zone 'UTC') = ${month}::timestamp
      group by b.partition
      order by b.partition collate "C"`,
  );
}
