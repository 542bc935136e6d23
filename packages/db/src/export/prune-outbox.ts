import type { Database } from '../connect.ts';

/**
 * Deletes up to `maxRows` outbox rows whose batch was exported longer than `retentionDays` ago, and says how many. The
 * audit rows and the batches stay; `pruned_event` remembers the events' ids, which stay taken, and their batches. Called by the exporter's housekeeping, outside of any transaction, until it returns
 * 0. Locks the rows that it deletes and skips locked ones. If we die right after, the next call goes on.
 */
export async function pruneOutbox(db: Database, retentionDays: number, maxRows: number): Promise<number> {
  const deleted = await db.answer(
    () => db.sql`
    with gone as (
      delete from outbox where id in (
        select o.id
        from export_batch b
        join outbox o on o.batch_id = b.id
        where b.state = 'done' and b.exported_at < now() - ${retentionDays} * interval '1 day'
        order by b.id
        limit ${maxRows}
        for update of o skip locked
      )
      returning audit_id, occurred_at, batch_id
    )
    insert into pruned_event (id, occurred_at, batch_id) select audit_id, occurred_at, batch_id from gone
    on conflict (id) do nothing`,
  );
  return deleted.count;
}
