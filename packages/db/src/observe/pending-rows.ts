import type { Database } from '../database/connect.ts';

/** Outbox rows that are in no batch yet. */
export interface PendingRows {
  /** How long the oldest has waited since the database took its event; 0 when there is none. */
  readonly oldestAgeS: number;
  /** Counted up to `countMost`; beyond, an estimate from ids, too high by rows sealed out of order. */
  readonly rows: number;
}

const countMost = 10_000;

/**
 * The oldest pending row and about how many there are, at a cost that does not grow with the backlog: it reads so many
 * entries of the index of pending rows. Entries of sealed rows that nothing could remove yet come on top, so the caller
 * needs a short deadline, and for when it is missed an `after`: an outbox id below which he knows of none.
 *
 * Called by the exporter's metrics; takes no locks.
 */
export async function findPendingRows(db: Database, after = '0'): Promise<PendingRows> {
  const [row] = await db.query(
    (sql) => sql<[PendingRows]>`
      with pending as materialized (
        select id, recorded_at from outbox
        where batch_id is null and quarantine_reason is null and destination = 's3' and id > ${after}
        order by id
        limit ${countMost + 1}
      )
      select
        greatest(0, coalesce(extract(epoch from clock_timestamp() - min(recorded_at)), 0))::float8 as "oldestAgeS",
        case when count(*) <= ${countMost} then count(*) else (select max(id) from outbox) - min(id) + 1 end::float8 as rows
      from pending`,
  );
  return row;
}
