import type { Database } from '../connect.ts';

/** What has not reached the bucket. The first two are yes or no, since counting them grows with the backlog. */
export interface Unexported {
  readonly anyPending: boolean;
  readonly anyInFlight: boolean;
  readonly failedBatches: number;
  readonly quarantinedRows: number;
}

/** Called by drain and replay to know when to stop; takes no locks. */
export async function findUnexported(db: Database): Promise<Unexported> {
  const [row] = await db.answer(db.sql<[Unexported]>`
    select
      exists (select from outbox where batch_id is null and quarantine_reason is null) as "anyPending",
      exists (select from export_batch where state in ('sealed', 'uploading')) as "anyInFlight",
      (select count(*) from export_batch where state = 'failed')::int as "failedBatches",
      (select count(*) from outbox where quarantine_reason is not null)::int as "quarantinedRows"`);
  return row;
}
