import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventsSql } from '../workload/events-sql.ts';
import type { BenchDatabase } from './rig.ts';

const run = promisify(execFile);
const columns = 'changed_by, changed_by_api_key, action, table_name, object_id, before_value, updated_values, context';
const samples = 2_000;
const warmUpSeconds = 2;

/**
 * Transactions per second of pgbench (https://www.postgresql.org/docs/current/pgbench.html). Each inserts `rows` events
 * into audit_log, whose trigger writes the outbox rows. The events are copied from a small table, so nothing is sent or
 * parsed: this is the upper limit of Postgres. Null when pgbench is not installed.
 */
export async function runPgbench(
  { url, sql }: BenchDatabase,
  { rows, clients, seconds }: { rows: number; clients: number; seconds: number },
): Promise<number | null> {
  await sql.unsafe(`create table sample as
    select row_number() over () as n, ${columns} from (${eventsSql('1', String(samples))}) event`);
  await sql`create index on sample (n)`;
  await sql`vacuum analyze sample`;
  const folder = await mkdtemp(join(tmpdir(), 'auditbox-pgbench-'));
  const script = join(folder, 'insert.sql');
  await writeFile(
    script,
    `\\set first random(1, ${samples - rows})
insert into auditbox.audit_log (id, ${columns}) select uuidv7(), ${columns} from sample where n >= :first and n < :first + ${rows};
`,
  );
  try {
    const args = ['-n', '-M', 'prepared', '-f', script, '-c', clients, '-j', 2, '-T'];
    await run('pgbench', [...args, warmUpSeconds, url].map(String));
    const { stdout } = await run('pgbench', [...args, seconds, url].map(String));
    const tps = /^tps = ([\d.]+)/m.exec(stdout)?.[1];
    if (tps === undefined) throw new Error(`Unexpected output of pgbench: ${stdout}`);
    return Number(tps);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  } finally {
    await rm(folder, { recursive: true });
  }
}
