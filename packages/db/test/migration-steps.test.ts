import { migrateDatabase } from '@auditbox/db/migrate/migrate.ts';
import { type Migration, parseMigration, readMigrations } from '@auditbox/db/migrate/migrations.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { createTestDatabase } from '@auditbox/testing/servers/template-database.ts';
import postgres, { type Sql } from 'postgres';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';

/* Migrations that do long work in steps. The histories of these tests end with a migration that is not in drizzle/. */

let url: string;
let sql: Sql;
let printed: string[];
beforeEach(async () => {
  url = await createTestDatabase(inject('databaseServer'));
  sql = postgres(url, { max: 5, onnotice: () => {} });
  printed = [];
});
afterEach(() => sql.end());

const migrateWith = (next: Migration) =>
  migrateDatabase(url, {
    migrations: [...readMigrations(), next],
    report: (line) => void printed.push(line),
    reportEveryMs: 50,
  });

const writeEvent = () => sql`
  insert into auditbox.audit_log (changed_by, action, table_name, object_id) values ('ana', 'created', 't', '1')`;

/** Numbers from 1 to 50, ten in each block. The second block needs an advisory lock. */
const inBlocks = parseMigration(
  '9998_blocks',
  `-- Writes fifty numbers.
-- Locks: one new table.
--
-- Step: transaction
create table auditbox.number (n int);
--> statement-breakpoint
-- Step: blocks
-- Locks: nothing that anybody else uses.
with block as (
  select n from generate_series(coalesce($1::int, 0) + 1, coalesce($1::int, 0) + 10) n
), written as (
  insert into auditbox.number select n from block
  where case when $1 = '10' then pg_advisory_xact_lock(4711)::text end is distinct from 'never' returning n
)
select case when max(n) < 50 then max(n)::text end as next, count(*) as rows from written;
`,
);

const concurrently = parseMigration(
  '9998_index',
  `-- An index.
-- Locks: nothing.
--
-- Step: concurrently
-- Locks: changes of the outbox.
create index concurrently outbox_bytes on auditbox.outbox (bytes);
`,
);

const months = parseMigration(
  '9998_months',
  `-- An index of each month.
-- Locks: nothing.
--
-- Step: months
-- Locks: nothing that a writer waits for.
create index audit_log_a_number on auditbox.audit_log (length(changed_by)) where changed_by <> '';
`,
);

/** Runs `work` while the second block cannot run. */
async function whileClosed<T>(work: () => Promise<T>): Promise<T> {
  return sql.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(4711)`;
    return work();
  }) as Promise<T>;
}

const pidOfMigrator = async () => {
  const [row] = await sql<{ pid: number }[]>`
    select pid from pg_stat_activity
    where datname = current_database() and application_name = 'auditbox migrate' and wait_event_type = 'Lock'`;
  expect(row).toBeDefined();
  return row?.pid ?? 0;
};

test('it says before it begins how each step runs and what the step locks', async () => {
  await migrateWith(inBlocks);
  expect(printed.slice(0, 4)).toEqual([
    '1 migration to apply in the schema auditbox:',
    '  9998_blocks: one new table.',
    '    step 1, in one transaction: no locks.',
    '    step 2, in many short transactions: nothing that anybody else uses.',
  ]);
  expect(await sql`select count(*)::int, min(n), max(n) from auditbox.number`).toEqual([
    { count: 50, min: 1, max: 50 },
  ]);
});

test('a run that was killed between two blocks is continued where it ended, and no block is done twice', async () => {
  const run = await whileClosed(async () => {
    const first = migrateWith(inBlocks).catch((error: Error) => error);
    const pid = await eventually(pidOfMigrator);
    // From its first report on, the migrator has a second connection to end.
    await eventually(() => expect(printed.join('\n')).toMatch(/9998_blocks, step 2 of 2: runs for/));
    await sql`select pg_terminate_backend(${pid})`;
    return { first: await first };
  });
  expect(run.first).toBeInstanceOf(Error);
  expect(await sql`select place, done_at from auditbox.migration_step where tag = '9998_blocks' and step = 2`).toEqual([
    { place: '10', done_at: null },
  ]);
  await migrateWith(inBlocks);
  expect(await sql`select count(*)::int, count(distinct n)::int as different from auditbox.number`).toEqual([
    { count: 50, different: 50 },
  ]);
  expect(
    await sql`select step, rows::int, done_at is not null as done from auditbox.migration_step where tag = '9998_blocks' order by step`,
  ).toEqual([
    { step: 1, rows: 0, done: true },
    { step: 2, rows: 50, done: true },
  ]);
});

test('while blocks are left, events are written, and it is shown how far it is', async () => {
  const { running } = await whileClosed(async () => {
    const migrating = migrateWith(inBlocks);
    migrating.catch(() => {});
    await eventually(pidOfMigrator);
    await writeEvent();
    await eventually(() => expect(printed.join('\n')).toMatch(/9998_blocks, step 2 of 2: runs for \d+ s, 10 rows/));
    return { running: migrating };
  });
  await running;
});

test('while an index is made concurrently, events are written, and it is shown what it waits for', async () => {
  const { running } = await sql.begin(async (tx) => {
    await tx`lock table auditbox.outbox in row exclusive mode`;
    const made = migrateWith(concurrently);
    made.catch(() => {});
    await eventually(pidOfMigrator);
    await writeEvent();
    await eventually(() => expect(printed.join('\n')).toContain('it waits for transactions that began before'));
    return { running: made };
  });
  await running;
  expect(
    await sql`select indisvalid as valid from pg_index where indexrelid = 'auditbox.outbox_bytes'::regclass`,
  ).toEqual([{ valid: true }]);
});

test('an index that an interrupted run left invalid is made again', async () => {
  await sql.begin(async (tx) => {
    await tx`lock table auditbox.outbox in row exclusive mode`;
    const made = migrateWith(concurrently).catch((error: Error) => error);
    await sql`select pg_terminate_backend(${await eventually(pidOfMigrator)})`;
    expect(await made).toBeInstanceOf(Error);
  });
  const valid = () =>
    sql`select indisvalid as valid from pg_index where indexrelid = 'auditbox.outbox_bytes'::regclass`;
  expect(await valid()).toEqual([{ valid: false }]);
  await migrateWith(concurrently);
  expect(await valid()).toEqual([{ valid: true }]);
});

test('three migrators that meet at a step that runs concurrently all succeed', async () => {
  const results = await sql.begin(async (tx) => {
    await tx`lock table auditbox.outbox in row exclusive mode`;
    const made = [1, 2, 3].map(() => migrateWith(concurrently));
    await eventually(pidOfMigrator);
    return { made };
  });
  await Promise.all(results.made);
  expect(await sql`select from auditbox.migration where tag = '9998_index'`).toHaveLength(1);
});

test('an index of months that an interrupted run left is made for the other months, while events are written', async () => {
  await sql`select auditbox.make_month('2026-01-15'), auditbox.make_month('2026-02-15')`;
  await sql.begin(async (tx) => {
    await tx`lock table auditbox.audit_log_2026_02 in row exclusive mode`;
    const made = migrateWith(months).catch((error: Error) => error);
    const pid = await eventually(pidOfMigrator);
    await writeEvent();
    await sql`select pg_terminate_backend(${pid})`;
    expect(await made).toBeInstanceOf(Error);
  });
  const valid = async () => {
    const [row] = await sql<[{ valid: boolean; parts: number; months: number }]>`
      select i.indisvalid as valid,
        (select count(*)::int from pg_inherits p join pg_index x on x.indexrelid = p.inhrelid
          where p.inhparent = i.indexrelid and x.indisvalid) as parts,
        (select count(*)::int from pg_inherits where inhparent = 'auditbox.audit_log'::regclass) as months
      from pg_index i where i.indexrelid = 'auditbox.audit_log_a_number'::regclass`;
    return { valid: row.valid, missing: row.months - row.parts };
  };
  expect((await valid()).valid).toBe(false);
  await sql`select auditbox.make_month('2026-03-15')`;
  await migrateWith(months);
  expect(await valid()).toEqual({ valid: true, missing: 0 });
  await sql`select auditbox.make_month('2026-04-15')`;
  expect(await valid()).toEqual({ valid: true, missing: 0 });
});
