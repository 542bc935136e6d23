import type { Database } from '../database/connect.ts';

/*
 * Events that are not exported yet. Every count has a limit: beyond it the number reports nothing new, and the backlog of a week
 * must not make a scrape slow.
 */

/** Outbox rows that are in no batch yet. */
export interface PendingRows {
  /** How long the oldest has waited since the database took its event; 0 if no row is pending. */
  readonly oldestAgeS: number;
  /** Exact up to `pendingLimit`; beyond it an estimate from ids, too high by the rows that were sealed out of order. */
  readonly rows: number;
}

const pendingLimit = 10_000;
const countLimit = 100_000;

/**
 * The oldest pending row and about how many there are. It reads at most `pendingLimit` entries of the index of pending
 * rows, so its cost does not grow with the backlog. Entries of sealed rows that vacuum could not remove yet add to
 * that: the caller needs a short deadline, and when it is missed an `after`, an outbox id below which no row is pending.
 *
 * Caller: the exporter's metrics.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function findPendingRows(db: Database, after = '0'): Promise<PendingRows> {
  const [row] = await db.query(
    (sql) => sql<[PendingRows]>`
      with pending as materialized (
        select id, recorded_at from outbox
        where batch_id is null and quarantine_reason is null and destination = 's3' and id > ${after}
        order by id
        limit ${pendingLimit + 1}
      )
      select
        greatest(0, coalesce(extract(epoch from clock_timestamp() - min(recorded_at)), 0))::float8 as "oldestAgeS",
        case when count(*) <= ${pendingLimit} then count(*) else (select max(id) from outbox) - min(id) + 1 end::float8 as rows
      from pending`,
  );
  return row;
}

/** Batches that are not done, and their rows. */
export interface UnfinishedBatches {
  readonly batches: BatchCounts;
  readonly rows: BatchCounts;
  /** How long the first row of the oldest sealed or uploading batch has waited since the database took its event, or 0. */
  readonly oldestAgeS: number;
}

interface BatchCounts {
  readonly sealed: number;
  readonly uploading: number;
  readonly failed: number;
}

/**
 * Counts batches that are not done. Done batches are not counted, because their number only grows.
 *
 * Caller: the exporter's metrics.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function findUnfinishedBatches(db: Database): Promise<UnfinishedBatches> {
  const [row] = await db.query(
    (sql) => sql<[Record<`${keyof BatchCounts}${'' | 'Rows'}` | 'oldestAgeS', number>]>`
      with waiting as materialized (
        select id, state, row_count from export_batch where state in ('sealed', 'uploading') limit ${countLimit}
      ), failed as materialized (
        select row_count from export_batch where state = 'failed' limit ${countLimit}
      ), oldest as materialized (
        select min(id) as id from waiting
      )
      select
        count(*) filter (where state = 'sealed')::int as sealed,
        coalesce(sum(row_count) filter (where state = 'sealed'), 0)::float8 as "sealedRows",
        count(*) filter (where state = 'uploading')::int as uploading,
        coalesce(sum(row_count) filter (where state = 'uploading'), 0)::float8 as "uploadingRows",
        (select count(*) from failed)::int as failed,
        (select coalesce(sum(row_count), 0) from failed)::float8 as "failedRows",
        greatest(0, coalesce((
          select extract(epoch from clock_timestamp() - recorded_at)
          from outbox where batch_id = (select id from oldest) limit 1
        ), 0))::float8 as "oldestAgeS"
      from waiting`,
  );
  const { sealed, uploading, failed, sealedRows, uploadingRows, failedRows, oldestAgeS } = row;
  return {
    batches: { sealed, uploading, failed },
    rows: { sealed: sealedRows, uploading: uploadingRows, failed: failedRows },
    oldestAgeS,
  };
}

/**
 * How many rows are quarantined, up to 100,000.
 *
 * Caller: the exporter's metrics.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function countQuarantinedRows(db: Database): Promise<number> {
  const [row] = await db.query(
    (sql) => sql<[{ count: number }]>`
      select count(*)::int as count
      from (select from outbox where quarantine_reason is not null limit ${countLimit}) quarantined`,
  );
  return row.count;
}
