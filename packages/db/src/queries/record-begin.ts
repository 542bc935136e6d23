import type { Database } from '../database/connect.ts';
import { workForAll } from '../database/holder.ts';
import { runWide } from './windows.ts';

const rememberMs = 60_000;

const known = new WeakMap<Database, { readonly at: number; readonly begin: Promise<string | null> }>();

/**
 * From which event time on the record of this database is whole: the end of the newest month that retention has removed and nobody has restored, ISO
 * 8601 in UTC. Older events are in the archive. Null if no month was removed. Remembered for a minute.
 */
export function getRecordBegin(db: Database): Promise<string | null> {
  const remembered = known.get(db);
  if (remembered && performance.now() - remembered.at < rememberMs) return remembered.begin;
  const begin = workForAll(() => readRecordBegin(db));
  known.set(db, { at: performance.now(), begin });
  // A failed reading is not remembered.
  begin.catch(() => known.delete(db));
  return begin;
}

/**
 * Caller: lists, histories and counts.
 * Locks: none.
 * Crash: nothing is written.
 */
async function readRecordBegin(db: Database): Promise<string | null> {
  const [row] = await runWide(() =>
    db.query(
      (sql) => sql<[{ begin: string | null }]>`
      -- The months that have batches, one look-up in the index for each. Batches outlive their events.
      with recursive exported (month) as (
        (select date_trunc('month', b.first_occurred_at at time zone 'UTC') from auditbox.batch b order by 1 limit 1)
        union all
        select (
          select date_trunc('month', b.first_occurred_at at time zone 'UTC') from auditbox.batch b
          where date_trunc('month', b.first_occurred_at at time zone 'UTC') > e.month
          order by 1 limit 1)
        from exported e where e.month is not null
      )
      select to_char(max(e.month) + interval '1 month', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as begin
      from exported e
      -- The month's first batch, because a late event may have made the month again.
      cross join lateral (
        select lower(b.outbox_ids) as outbox_id from auditbox.batch b
        where date_trunc('month', b.first_occurred_at at time zone 'UTC') = e.month
        order by b.id limit 1
      ) b
      where e.month is not null and not exists (
        select from auditbox.outbox o
        join auditbox.audit_log a on a.id = o.audit_id and a.occurred_at = o.occurred_at
        where o.id = b.outbox_id)`,
    ),
  );
  return row.begin;
}
