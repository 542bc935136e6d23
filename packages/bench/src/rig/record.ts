import postgres from 'postgres';
import { columns, recordSql } from '../workload/record-sql.ts';
import type { BenchDatabase } from './rig.ts';

const rowsPerStatement = 50_000;
const loaders = 2;
/** Number of events whose export is recorded, for `GET /audit/:id`. */
const knownEvents = 1_000;

/**
 * Fills a database with the events of a year, as if all were exported and their outbox rows pruned. The trigger is off
 * because this benchmark does not read outbox rows. A vacuum at the end replaces autovacuum.
 */
export async function fillRecord(
  { url, sql }: BenchDatabase,
  rows: number,
  say: (line: string) => void,
): Promise<void> {
  const until = new Date().toISOString();
  for (let month = 0; month <= 12; month += 1)
    await sql`select audit_log_make_partition(${until}::timestamptz - ${month} * interval '30.5 days')`;
  await sql`alter table audit_log disable trigger user`;
  const starts = Array.from({ length: Math.ceil(rows / rowsPerStatement) }, (_, n) => 1 + n * rowsPerStatement);
  let done = 0;
  await Promise.all(
    Array.from({ length: loaders }, async () => {
      const own = postgres(url, { max: 1, onnotice: () => {} });
      for (let first = starts.shift(); first !== undefined; first = starts.shift()) {
        const last = Math.min(rows, first + rowsPerStatement - 1);
        await own.unsafe(`insert into audit_log (${columns}) ${recordSql(first, last, rows, until)}`);
        done += last - first + 1;
        if (done % 1_000_000 === 0)
          say(`query: ${done.toLocaleString('en-US')} of ${rows.toLocaleString('en-US')} rows inserted`);
      }
      await own.end();
    }),
  );
  await sql`alter table audit_log enable trigger user`;
  await sql`
    insert into pruned_event (id, occurred_at, batch_id)
    select id, occurred_at, 1 from audit_log tablesample system (1) limit ${knownEvents}`;
  await sql`vacuum analyze`;
}
