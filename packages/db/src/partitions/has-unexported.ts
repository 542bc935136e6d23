import type { Database } from '../connect.ts';
import type { ExpiredMonth } from './list-expired-months.ts';

/**
 * Whether any event of a month is pending, quarantined or in a batch that is not done. Called by the exporter's
 * housekeeping once the month is closed, so that a "no" stays one; takes no locks.
 */
export async function hasUnexported(db: Database, { from, to }: ExpiredMonth): Promise<boolean> {
  const [row] = await db.answer(
    () => db.sql<[{ found: boolean }]>`
      select exists (
          select from outbox
          where batch_id is null and quarantine_reason is null
            and occurred_at >= ${from}::text::timestamptz and occurred_at < ${to}::text::timestamptz
        ) or exists (
          select from outbox
          where quarantine_reason is not null
            and occurred_at >= ${from}::text::timestamptz and occurred_at < ${to}::text::timestamptz
        ) or exists (
          select from export_batch
          where state in ('sealed', 'uploading', 'failed')
            and first_occurred_at < ${to}::text::timestamptz and last_occurred_at >= ${from}::text::timestamptz
        ) as found`,
  );
  return row.found;
}
