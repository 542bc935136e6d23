import type { Database } from '../database/connect.ts';

/** What has not reached the bucket. The first two are yes or no, since counting them grows with the backlog. */
export interface Unexported {
  readonly anyPending: boolean;
  readonly anyInFlight: boolean;
  readonly failedBatches: number;
  readonly quarantinedRows: number;
}

/** The newest outbox row: what a drain that begins now has to see exported. Takes no locks. */
export async function lastOutboxId(db: Database): Promise<string> {
  const [row] = await db.query((sql) => sql<[{ id: string }]>`select coalesce(max(id), 0)::text as id from outbox`);
  return row.id;
}

/** What is left of the outbox rows up to an id. Called by drain to know when to stop; takes no locks. */
export async function findUnexported(db: Database, upTo: string): Promise<Unexported> {
  const [row] = await db.query(
    (sql) => sql<[Unexported]>`
      select
        exists (
          select from outbox where batch_id is null and quarantine_reason is null and id <= ${upTo}
        ) as "anyPending",
        exists (
          select from export_batch b
          where b.state in ('sealed', 'uploading')
            and exists (select from outbox o where o.batch_id = b.id and o.id <= ${upTo})
        ) as "anyInFlight",
        (select count(*) from export_batch where state = 'failed')::int as "failedBatches",
        (select count(*) from outbox where quarantine_reason is not null)::int as "quarantinedRows"`,
  );
  return row;
}
