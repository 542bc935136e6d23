import type { Database } from '../database/connect.ts';
import { idsIn } from '../sql/ids-in.ts';
import { isoUtc } from '../sql/iso-utc.ts';

/** A done delivery that has no number yet. Times are ISO 8601 in UTC with six fraction digits. */
export interface UnloggedBatch {
  readonly batchId: string;
  readonly key: string;
  /** Whose events it holds; null for a batch of all tenants, and for events of no tenant. */
  readonly tenant: string | null;
  /** Without rejected rows. */
  readonly rows: number;
  readonly bytes: number;
  readonly sha256: string;
  readonly objectBytes: number;
  /** Null when the log was off at the export, or a restored database lacks rows: the object must be read for them. */
  readonly lines: string | null;
  readonly objectSha256: string | null;
  readonly first: string;
  readonly last: string;
  /** Null when the database does not have all outbox rows any more: the object must be read for them. */
  readonly recordedFirst: string | null;
  readonly recordedLast: string | null;
}

export interface UnloggedRequest {
  readonly destination: string;
  /** Whether the hashes were recorded at the export. */
  readonly hashed: boolean;
  /** Batches that could not be logged before. */
  readonly without: readonly string[];
  readonly most: number;
}

/**
 * The batches that are numbered next, in the order in which they were done.
 *
 * Caller: the exporter, in a pass over the log.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function findUnlogged(db: Database, request: UnloggedRequest): Promise<UnloggedBatch[]> {
  const { destination, hashed, without, most } = request;
  return db.query(
    (sql) => sql<UnloggedBatch[]>`
      with found as materialized (
        select * from auditbox.delivery d
        where d.destination = ${destination} and d.state = 'done' and d.log_index is null
          and (d.lines_root is not null and d.object_sha256 is not null) = ${hashed}
          and d.batch_id not in (${idsIn(sql, without)})
        order by d.done_at, d.batch_id
        limit ${most}
      )
      select d.batch_id::text as "batchId", d.object_key as key, nullif(b.tenant, '') as tenant, b.row_count - rejected.rows as rows,
        d.ndjson_bytes::float8 as bytes, d.sha256, d.object_bytes::float8 as "objectBytes",
        d.lines_root as lines, d.object_sha256 as "objectSha256",
        ${isoUtc(sql, 'times.first')} as first, ${isoUtc(sql, 'times.last')} as last,
        ${isoUtc(sql, 'times.recorded_first')} as "recordedFirst", ${isoUtc(sql, 'times.recorded_last')} as "recordedLast"
      from found d
      join auditbox.batch b on b.id = d.batch_id
      cross join lateral (
        select count(*)::int as rows from auditbox.rejection r
        where r.destination = d.destination and r.batch_id = d.batch_id
      ) rejected
      cross join lateral (
        select count(*)::int as rows, min(o.occurred_at) as first, max(o.occurred_at) as last,
          min(o.recorded_at) as recorded_first, max(o.recorded_at) as recorded_last
        from unnest(b.outbox_ids) as ids join auditbox.outbox o on o.id >= lower(ids) and o.id < upper(ids)
        where rejected.rows = 0 or not exists (
          select from auditbox.rejection r
          where r.destination = d.destination and r.batch_id = d.batch_id and r.outbox_id = o.id
        )
      ) kept
      cross join lateral (
        select case when is_whole then kept.first else b.first_occurred_at end as first,
          case when is_whole then kept.last else b.last_occurred_at end as last,
          case when is_whole then kept.recorded_first end as recorded_first,
          case when is_whole then kept.recorded_last end as recorded_last
        from (select kept.rows = b.row_count - rejected.rows as is_whole) compared
      ) times
      order by d.done_at, d.batch_id`,
  );
}
