import { readdir, readFile } from 'node:fs/promises';
import { createAuditEvent } from '@auditbox/core/event/create-audit-event.ts';
import { connectDatabase } from '@auditbox/db/database/connect.ts';
import { identify } from '@auditbox/db/events/event-record.ts';
import { getEvent } from '@auditbox/db/events/get-event.ts';
import { storeEachEvent } from '@auditbox/db/events/store-each.ts';
import { pruneOutbox } from '@auditbox/db/export/prune-outbox.ts';
import { sealBatches } from '@auditbox/db/export/seal-batches.ts';
import { migrateDatabase } from '@auditbox/db/migrate/migrate.ts';
import { dropSearchIndex, makeSearchIndex } from '@auditbox/db/migrate/search-index.ts';
import { closeMonth, dropMonth, listExpiredMonths } from '@auditbox/db/months/expired-months.ts';
import { anEvent, type WireEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { createTestDatabase } from '@auditbox/testing/servers/template-database.ts';
import { openTestDatabase, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';

let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase();
});
afterAll(() => db.close(1_000));

const limits = { grain: 'hour', maxRows: 100, maxBytes: 1_000_000, lingerMs: 0, maxBatches: 100 } as const;
const one = (event: WireEvent) => identify(createAuditEvent(event));
const placeOf = async (id: string | undefined) =>
  (
    await db.sql<
      { table: string }[]
    >`select tableoid::regclass::text as table from auditbox.audit_log where id = ${id ?? null}`
  ).map(({ table }) => table);

/** Exports what is pending, as far as the tables know. */
async function markAllDone(): Promise<void> {
  await sealBatches(db, limits);
  await db.sql`
    update export_batch set state = 'done', object_key = 'k', bytes = 1, object_bytes = 1, sha256 = ${'a'.repeat(64)},
      exported_at = now() - interval '8 days' where state = 'sealed'`;
}

test('an event of any month finds its partition, alone or in a batch', async () => {
  const months = ['1970-01', '1999-12', '2024-02', '2026-05'];
  const events = months.map((month) => anEvent({ updated_at: `${month}-28T23:59:59.999999Z` }));
  await db.store(events.slice(0, 2));
  const outcomes = await storeEachEvent(db, events.slice(2).map(one));
  expect(outcomes.map(({ stored }) => stored)).toEqual([true, true]);
  for (const [index, { id }] of events.entries())
    expect(await placeOf(id)).toEqual([`audit_log_${months[index]?.replace('-', '_')}`]);
});

test('a time further ahead than any month rejects that event alone', async () => {
  const far = one(anEvent({ updated_at: '9999-12-31T23:59:59Z' }));
  const old = one(anEvent({ updated_at: '2001-01-01T00:00:00Z' }));
  const outcomes = await storeEachEvent(db, [far, old]);
  expect(outcomes).toMatchObject([{ stored: false, error: { code: 'AUDIT_EVENT_IN_FUTURE' } }, { stored: true }]);
  expect(await db.sql`select to_regclass('audit_log_9999_12') as table`).toEqual([{ table: null }]);
});

test('an id is taken in all months: the same event is known, another one refused', async () => {
  const event = anEvent({ updated_at: '2026-03-15T00:00:00Z' });
  const elsewhere = { ...event, updated_at: '2026-04-15T00:00:00Z' };
  await db.store([event]);
  const outcomes = await Promise.all([[event], [elsewhere]].map((events) => storeEachEvent(db, events.map(one))));
  expect(outcomes).toMatchObject([
    [{ stored: true, event: { outcome: 'existing' } }],
    [{ stored: false, error: { code: 'AUDIT_CONFLICT' } }],
  ]);
  await expect(db.store([elsewhere])).rejects.toMatchObject({ code: 'AUDIT_CONFLICT' });
  await expect(
    db.sql`insert into auditbox.audit_log (id, occurred_at, changed_by, action, table_name, object_id)
      values (${event.id}, '2026-07-15', 'x', 'created', 't', '1')`,
  ).rejects.toMatchObject({ code: '23505' });
});

test('two writers that give one new id two times at once: one event is stored', async () => {
  for (let round = 0; round < 20; round += 1) {
    const event = anEvent();
    const outcomes = await Promise.all(
      ['2026-07-01T00:00:00Z', '2026-07-02T00:00:00Z'].map((updated_at) =>
        storeEachEvent(db, [one({ ...event, updated_at })]),
      ),
    );
    expect(
      outcomes
        .flat()
        .map(({ stored }) => stored)
        .sort(),
    ).toEqual([false, true]);
    expect(await placeOf(event.id)).toHaveLength(1);
  }
});

test('an id stays taken when its outbox row is pruned, and the event and its object are still found', async () => {
  const event = anEvent({ updated_at: '2026-03-15T00:00:00Z' });
  await db.store([event]);
  await markAllDone();
  while ((await pruneOutbox(db, 7, 100)) > 0);
  expect(await db.sql`select from auditbox.outbox where audit_id = ${event.id ?? null}`).toHaveLength(0);
  expect(await getEvent(db, event.id ?? '')).toMatchObject({ exported: { state: 'done', object_key: 'k' } });
  expect(await storeEachEvent(db, [one(event)])).toMatchObject([{ stored: true, event: { outcome: 'existing' } }]);
  const other = { ...event, updated_at: '2026-04-01T00:00:00Z' };
  expect(await storeEachEvent(db, [one(other)])).toMatchObject([{ stored: false, error: { code: 'AUDIT_CONFLICT' } }]);
  await expect(
    db.sql`insert into auditbox.audit_log (id, occurred_at, changed_by, action, table_name, object_id)
      values (${event.id}, '2026-07-15', 'x', 'created', 't', '1')`,
  ).rejects.toMatchObject({ code: '23505', constraint_name: 'pruned_event_pkey' });
});

test('an INSERT into a partition by its name gets its outbox row, and the partition is append-only too', async () => {
  const [row] = await db.sql<[{ id: string }]>`
    insert into audit_log_2026_07 (occurred_at, changed_by, action, table_name, object_id)
    values ('2026-07-15', 'x', 'created', 't', '1') returning id`;
  expect(await db.sql`select from auditbox.outbox where audit_id = ${row.id}`).toHaveLength(1);
  for (const statement of [
    'delete from audit_log_2026_07',
    'truncate audit_log_2026_07',
    'update audit_log_2026_07 set action = action',
  ])
    await expect(db.sql.unsafe(statement)).rejects.toThrow('audit_log is append-only');
});

test('a month past retention is removed once all of it is exported, and takes no event after it is closed', async () => {
  const event = anEvent({ updated_at: '2020-05-15T00:00:00Z' });
  await db.store([event, anEvent({ updated_at: '2020-06-15T00:00:00Z' })]);
  const find = async () => (await listExpiredMonths(db, 1_000)).find(({ name }) => name === 'audit_log_2020_05');
  const month = await find();
  if (!month) throw new Error('The month is not listed.');
  await expect(dropMonth(db, month)).rejects.toThrow('is not closed');
  await closeMonth(db, month);
  expect(await dropMonth(db, month)).toBe(false);
  await markAllDone();
  expect(await find()).toMatchObject({ isClosed: true });
  const late = one(anEvent({ updated_at: '2020-05-31T23:59:59Z' }));
  const neighbour = one(anEvent());
  expect(await storeEachEvent(db, [late, neighbour])).toMatchObject([
    { stored: false, error: { code: 'AUDIT_MONTH_CLOSED' } },
    { stored: true },
  ]);
  expect(await dropMonth(db, month)).toBe(true);
  expect(await find()).toBeUndefined();
  expect(await getEvent(db, event.id ?? '')).toBeNull();
  // It was exported: stored again it would be exported twice.
  expect(await storeEachEvent(db, [one(event)])).toMatchObject([{ stored: false, error: { code: 'AUDIT_CONFLICT' } }]);
});

test('rows of the first schema are all there after the migration, with their outbox rows and the rights on the table', async () => {
  const url = await createTestDatabase(inject('databaseServer'), { empty: true });
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  const folder = new URL('../../../drizzle/', import.meta.url);
  const first = (await readdir(folder)).filter((name) => /^000[0-3]_.*\.sql$/.test(name)).sort();
  for (const name of first) {
    const text = await readFile(new URL(name, folder), 'utf8');
    for (const statement of text.split('--> statement-breakpoint')) await sql.unsafe(statement).simple();
  }
  const { entries } = JSON.parse(await readFile(new URL('meta/_journal.json', folder), 'utf8'));
  await sql`create schema drizzle`;
  await sql`create table drizzle.__drizzle_migrations (id serial primary key, hash text not null, created_at bigint)`;
  await sql`insert into drizzle.__drizzle_migrations (hash, created_at) values ('of the first', ${entries[3].when})`;
  await sql.unsafe('create role reads_partitions; grant select on audit_log to reads_partitions').simple();
  await sql`
    insert into auditbox.audit_log (occurred_at, occurred_at_digits, changed_by, action, table_name, object_id, updated_values)
    select timestamptz '1985-01-31 23:59:59.999999+00' + n * interval '17 days', n % 7, 'a', 'created', 't', n::text,
      '{"a" : 1.10}' from generate_series(0, 800) n`;
  const sum = () => sql`
    select count(*), md5(string_agg(a::text, '' order by a.id)) as rows, count(o.id) as outbox
    from (select id, occurred_at, occurred_at_digits, recorded_at, changed_by, changed_by_api_key, action, table_name,
      object_id, before_value::text, updated_values::text, context::text from auditbox.audit_log) a
    left join auditbox.outbox o on o.audit_id = a.id and o.occurred_at = a.occurred_at`;
  const before = await sum();
  await migrateDatabase(url);
  expect(await sum()).toEqual(before);
  expect(await sql`select has_table_privilege('reads_partitions', 'audit_log', 'select') as may`).toEqual([
    { may: true },
  ]);
  const after = connectDatabase({ url, application: 'test', maxConnections: 1, statementTimeoutMs: 20_000 });
  expect(await storeEachEvent(after, [one(anEvent())])).toMatchObject([{ stored: true }]);
  await after.close(1_000);
  await sql.unsafe('drop owned by reads_partitions; drop role reads_partitions').simple();
  await sql.end();
});

test('the index of words is made over all months while writers continue, covers new months, and can be removed', async () => {
  const own = await openTestDatabase();
  await own.store([anEvent({ updated_values: { text: 'zebra' } })]);
  await makeSearchIndex(own, () => {});
  await makeSearchIndex(own, () => {});
  await own.store([anEvent({ updated_at: '2011-11-11T00:00:00Z', updated_values: { text: 'zebra' } })]);
  const isValid = async () =>
    (await own.sql`select indisvalid as valid from pg_index where indexrelid = to_regclass('audit_log_words')`)[0]
      ?.valid;
  expect(await isValid()).toBe(true);
  const plan = await own.sql.begin(async (tx) => {
    await tx`set local enable_seqscan = off`;
    return tx`explain select id from auditbox.audit_log a where audit_words(a.before_value, a.updated_values, a.context) @@ 'zebra'`;
  });
  const leaves = await own.sql`select relid from pg_partition_tree('audit_log') where isleaf`;
  expect(
    JSON.stringify(plan).match(/Bitmap Index Scan on audit_log_\d{4}_\d\d_\w*words|Bitmap Index Scan on \w+_idx/g),
  ).toHaveLength(leaves.length);
  await dropSearchIndex(own);
  expect(await isValid()).toBeUndefined();
  await own.close(1_000);
});

test('many writers that need one new month at once all store their events', async () => {
  const writers = await Promise.all(
    Array.from({ length: 8 }, async () =>
      connectDatabase({ url: db.url, application: 'test', maxConnections: 1, statementTimeoutMs: 20_000 }),
    ),
  );
  for (let year = 1980; year < 1995; year += 1) {
    const outcomes = await Promise.all(
      writers.map((writer) => storeEachEvent(writer, [one(anEvent({ updated_at: `${year}-06-01T00:00:00Z` }))])),
    );
    expect(outcomes.flat().map(({ stored }) => stored)).toEqual(Array(8).fill(true));
  }
  await Promise.all(writers.map((writer) => writer.close(1_000)));
});
