import type { Database } from '../database/connect.ts';

/** Beyond it the number says nothing new, and counting would take long. */
const countMost = 100_000;

/** How many rows are quarantined, up to 100,000. Called by the exporter's metrics; takes no locks. */
export async function countQuarantinedRows(db: Database): Promise<number> {
  const [row] = await db.query(
    (sql) => sql<[{ count: number }]>`
      select count(*)::int as count
      from (select from outbox where quarantine_reason is not null limit ${countMost}) quarantined`,
  );
  return row.count;
}
