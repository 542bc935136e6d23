import type { Database } from '../connect.ts';

/**
 * Deletes up to `maxRows` outbox rows whose batch was exported longer than `retentionDays` ago, and says how many. The
 * audit rows and the batches stay. Called by the exporter's housekeeping, outside of any transaction, until it returns
 * 0. Locks the rows that it deletes and skips locked ones. If we die right after, the next call goes on.
 */
export async function pruneOutbox(db: Database, retentionDays: number, maxRows: number): Promise<number> {
  const deleted = await db.answer(
    () => db.sql`
    delete from outbox where id in (
      select o.id
      from export_batch b
      join outbox o on o.batch_id = b.id
      where b.state = 'done' and b.exported_at < now() - ${retentionDays} * interval '1 day'
      order by b.id
      limit ${maxRows}
      for update of o skip locked
    )`,
  );
  return deleted.count;
}
