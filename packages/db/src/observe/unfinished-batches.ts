import type { Database } from '../database/connect.ts';

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

/** Nobody needs to know better, and a week's backlog must not make this slow. */
const countMost = 100_000;

/**
 * What lies between seal and done. Done batches are not counted: there are ever more of them. Called by the exporter's
 * metrics; takes no locks. Reads the two partial indexes of such batches, and one outbox row.
 */
export async function findUnfinishedBatches(db: Database): Promise<UnfinishedBatches> {
  const [row] = await db.query(
    (sql) => sql<[Record<`${keyof BatchCounts}${'' | 'Rows'}` | 'oldestAgeS', number>]>`
      with waiting as materialized (
        select id, state, row_count from export_batch where state in ('sealed', 'uploading') limit ${countMost}
      ), failed as materialized (
        select row_count from export_batch where state = 'failed' limit ${countMost}
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
