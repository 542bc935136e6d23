import postgres from 'postgres';
import { columns, recordSql } from '../workload/record-sql.ts';
import type { BenchDatabase } from './rig.ts';

const rowsPerStatement = 50_000;
const loaders = 2;

/**
 * Fills a database with the events of a year, recorded long ago. The trigger is off because it
 * would set the recorded times, and because this benchmark does not read outbox rows. A vacuum at the end replaces autovacuum.
 */
export async function fillRecord(
  { url, sql }: BenchDatabase,
  rows: number,
  say: (line: string) => void,
): Promise<void> {
  const until = new Date().toISOString();
  for (let month = 0; month <= 12; month += 1)
    await sql`select auditbox.make_month(${until}::timestamptz - ${month} * interval '30.5 days')`;
  await sql`alter table auditbox.audit_log disable trigger audit_log_to_outbox`;
  const starts = Array.from({ length: Math.ceil(rows / rowsPerStatement) }, (_, n) => 1 + n * rowsPerStatement);
  let done = 0;
  await Promise.all(
    Array.from({ length: loaders }, async () => {
      const own = postgres(url, { max: 1, onnotice: () => {} });
      for (let first = starts.shift(); first !== undefined; first = starts.shift()) {
        const last = Math.min(rows, first + rowsPerStatement - 1);
        await own.unsafe(`insert into auditbox.audit_log (${columns}) ${recordSql(first, last, rows, until)}`);
        done += last - first + 1;
        if (done % 1_000_000 === 0)
          say(`query: ${done.toLocaleString('en-US')} of ${rows.toLocaleString('en-US')} rows inserted`);
      }
      await own.end();
    }),
  );
  await sql`alter table auditbox.audit_log enable always trigger audit_log_to_outbox`;
  await sql`vacuum analyze`;
}
