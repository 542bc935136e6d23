import type { Database } from '../database/connect.ts';

/*
 * Events that are not exported yet. Every count has a limit: beyond it the number reports nothing new, and the backlog of a week
 * must not make a scrape slow.
 */

/** Outbox rows that are in no batch yet. */
export interface PendingRows {
  /**
   * How long the oldest has waited since the database took its event; 0 without such a row. A row that was recorded ahead of
   * the clock counts by how far it is ahead: the clock jumped and came back, and nobody knows its age.
   */
  readonly oldestAgeS: number;
  /** Exact while few rows wait; beyond that an estimate from ids, too high by ids that were never written. */
  readonly rows: number;
  /** Whether the oldest was recorded in the future: the clock of the database went back, and the age means nothing. */
  readonly clockWentBack: boolean;
}

const pendingLimit = 10_000;
const countLimit = 100_000;

/**
 * The oldest pending row and about how many there are: those in the gaps, and those behind the frontier. It reads at most
 * twice `pendingLimit` rows.
 *
 * Caller: the exporter's metrics, `GET /exports`.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function findPendingRows(db: Database): Promise<PendingRows> {
  const [row] = await db.query(
    (sql) => sql<[PendingRows]>`
      with waiting as materialized (
        select o.recorded_at
        from auditbox.frontier f cross join lateral unnest(f.gaps) as gap cross join lateral (
          select recorded_at from auditbox.outbox o where o.id >= lower(gap) and o.id < upper(gap) limit ${pendingLimit}
        ) o
        limit ${pendingLimit}
      ), unseen as materialized (
        select o.id, o.recorded_at
        from auditbox.frontier f cross join lateral (
          select id, recorded_at from auditbox.outbox o where o.id > f.sealed_up_to order by o.id limit ${pendingLimit + 1}
        ) o
      ), both_kinds as (
        select recorded_at from waiting union all select recorded_at from unseen
      )
      select
        coalesce(extract(epoch from greatest(
          clock_timestamp() - min(recorded_at), max(recorded_at) - clock_timestamp())), 0)::float8 as "oldestAgeS",
        ((select count(*) from waiting) + case
          when (select count(*) from unseen) <= ${pendingLimit} then (select count(*) from unseen)
          else (select max(id) from auditbox.outbox) - (select min(id) from unseen) + 1
        end)::float8 as rows,
        coalesce(max(recorded_at) > clock_timestamp() + interval '1 minute', false) as "clockWentBack"
      from both_kinds`,
  );
  return row;
}

/** Deliveries of a destination that are not done, and their rows. */
export interface UnfinishedDeliveries {
  readonly destination: string;
  readonly isPaused: boolean;
  readonly deliveries: DeliveryCounts;
  readonly rows: DeliveryCounts;
  /** How long the first row of the oldest sealed or sending delivery has waited, counted as for pending rows; 0 without one. */
  readonly oldestAgeS: number;
  /** Rejected rows that wait for a person. */
  readonly rejectedRows: number;
  /** Those of them whose delivery is done. The other deliveries count their rejected rows too. */
  readonly rejectedWithDone: number;
  /** The same for the batches of failed deliveries and of rejected rows. */
  readonly oldestStuckAgeS: number;
  /** Whether old batches still have to get a delivery. Their rows are in no count. */
  readonly addsHistory: boolean;
}

interface DeliveryCounts {
  readonly sealed: number;
  readonly sending: number;
  readonly failed: number;
}

/**
 * Counts the deliveries that are not done at each destination. Done deliveries are not counted, because their number only grows.
 *
 * Caller: the exporter's metrics, `GET /exports`.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function findUnfinishedDeliveries(db: Database): Promise<UnfinishedDeliveries[]> {
  const rows = await db.query(
    (sql) => sql<
      (Record<
        | `${keyof DeliveryCounts}${'' | 'Rows'}`
        | 'oldestAgeS'
        | 'rejectedRows'
        | 'rejectedWithDone'
        | 'oldestStuckAgeS',
        number
      > & {
        destination: string;
        isPaused: boolean;
        addsHistory: boolean;
      })[]
    >`
      select d.name as destination, d.is_paused as "isPaused", d.history_behind is not null as "addsHistory",
        waiting.*, failed.failed, failed."failedRows", rejected."rejectedRows", rejected."rejectedWithDone",
        coalesce(extract(epoch from clock_timestamp() - least(failed.oldest, rejected.oldest)), 0)::float8 as "oldestStuckAgeS"
      from auditbox.destination d
      cross join lateral (
        select
          count(*) filter (where state = 'sealed')::int as sealed,
          coalesce(sum(b.row_count) filter (where state = 'sealed'), 0)::float8 as "sealedRows",
          count(*) filter (where state = 'sending')::int as sending,
          coalesce(sum(b.row_count) filter (where state = 'sending'), 0)::float8 as "sendingRows",
          coalesce(extract(epoch from greatest(
            clock_timestamp() - min(b.first_recorded_at), max(b.first_recorded_at) - clock_timestamp())), 0)::float8 as "oldestAgeS"
        from (
          select batch_id, state from auditbox.delivery v
          where v.destination = d.name and v.state in ('sealed', 'sending')
          order by v.next_attempt_at, v.batch_id
          limit ${countLimit}
        ) v join auditbox.batch b on b.id = v.batch_id
      ) waiting
      cross join lateral (
        select count(*)::int as failed, coalesce(sum(b.row_count), 0)::float8 as "failedRows",
          min(b.first_recorded_at) as oldest
        from (
          select batch_id from auditbox.delivery v where v.destination = d.name and v.state = 'failed' limit ${countLimit}
        ) v join auditbox.batch b on b.id = v.batch_id
      ) failed
      cross join lateral (
        select count(*)::int as "rejectedRows", min(b.first_recorded_at) as oldest,
          count(*) filter (where v.state is null or v.state = 'done')::int as "rejectedWithDone"
        from (
          select batch_id from auditbox.rejection r
          where r.destination = d.name and r.replayed_in is null limit ${countLimit}
        ) r
        left join auditbox.batch b on b.id = r.batch_id
        left join auditbox.delivery v on v.destination = d.name and v.batch_id = r.batch_id
      ) rejected
      order by d.name`,
  );
  return rows.map(
    ({
      destination,
      isPaused,
      addsHistory,
      oldestAgeS,
      oldestStuckAgeS,
      rejectedRows,
      rejectedWithDone,
      sealed,
      sending,
      failed,
      sealedRows,
      sendingRows,
      failedRows,
    }) => ({
      destination,
      isPaused,
      addsHistory,
      oldestAgeS,
      oldestStuckAgeS,
      rejectedRows,
      rejectedWithDone,
      deliveries: { sealed, sending, failed },
      rows: { sealed: sealedRows, sending: sendingRows, failed: failedRows },
    }),
  );
}

/** What is recorded and not at a destination. */
export interface Unexported {
  /** Never 0 while a recorded event is not there: pending, sealed, sending, failed or rejected, or of a history that is being added. */
  readonly rows: number;
  /** How long the oldest of them has waited since the database recorded its event; 0 without one. */
  readonly oldestAgeS: number;
}

/** One number of a destination, from its readings. */
export function sumUnexported(
  pending: PendingRows,
  { rows, rejectedWithDone, oldestAgeS, oldestStuckAgeS, addsHistory }: UnfinishedDeliveries,
): Unexported {
  const known = pending.rows + rows.sealed + rows.sending + rows.failed + rejectedWithDone;
  return {
    // Nobody counts a history in advance.
    rows: addsHistory ? Math.max(1, known) : known,
    oldestAgeS: Math.max(pending.oldestAgeS, oldestAgeS, oldestStuckAgeS),
  };
}
