import { createAuditEvent } from '@auditbox/core/event/create-audit-event.ts';
import { allTenants } from '@auditbox/core/keys/tenant-scope.ts';
import { connectDatabase } from '@auditbox/db/database/connect.ts';
import { identify } from '@auditbox/db/events/event-record.ts';
import { getEvent } from '@auditbox/db/events/get-event.ts';
import { storeEachEvent } from '@auditbox/db/events/store-each.ts';
import { storeAuditEvents } from '@auditbox/db/events/store-events.ts';
import { sealBatches } from '@auditbox/db/export/seal-batches.ts';
import { dropSearchIndex, makeSearchIndex } from '@auditbox/db/migrate/search-index.ts';
import { closeMonth, dropMonth, listExpiredMonths } from '@auditbox/db/months/expired-months.ts';
import { createMonthMaker } from '@auditbox/db/months/month-maker.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { anEvent, type WireEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { openTestDatabase, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase();
});
afterAll(() => db.close(1_000));

const limits = {
  grain: 'hour',
  byTenant: false,
  maxRows: 100,
  maxBytes: 1_000_000,
  lingerMs: 0,
  maxBatches: 100,
} as const;
const one = (event: WireEvent) => identify(createAuditEvent(event));
const placeOf = async (id: string | undefined) =>
  (
    await db.sql<
      { table: string }[]
    >`select tableoid::regclass::text as table from auditbox.audit_log where id = ${id ?? null}`
  ).map(({ table }) => table);

/** Exports what is pending, as far as the tables know. */
async function markAllDone(): Promise<void> {
  // The second call closes gaps; a batch needs one.
  for (let call = 0; call < 2; call += 1) await sealBatches(db, limits);
  await db.sql
    .unsafe(`
    update auditbox.delivery set state = 'sending', lease_token = gen_random_uuid(), leased_until = now() where state = 'sealed';
    update auditbox.delivery set object_key = 'k', ndjson_bytes = 1, object_bytes = 1, sha256 = repeat('a', 64)
      where state = 'sending';
    update auditbox.delivery set state = 'done', done_at = now(), lease_token = null, leased_until = null
      where state = 'sending'`)
    .simple();
}

test('an event of any month finds its partition, alone or in a batch', async () => {
  const months = ['1970-01', '1999-12', '2024-02', '2026-05'];
  const events = months.map((month) => anEvent({ updated_at: `${month}-28T23:59:59.999999Z` }));
  await db.store(events.slice(0, 2));
  const outcomes = await storeEachEvent(db, events.slice(2).map(one));
  expect(outcomes.map(({ stored }) => stored)).toEqual([true, true]);
  for (const [index, { id }] of events.entries())
    expect(await placeOf(id)).toEqual([`auditbox.audit_log_${months[index]?.replace('-', '_')}`]);
});

test('a time further ahead than any month rejects that event alone', async () => {
  const far = one(anEvent({ updated_at: '9999-12-31T23:59:59Z' }));
  const old = one(anEvent({ updated_at: '2001-01-01T00:00:00Z' }));
  const outcomes = await storeEachEvent(db, [far, old]);
  expect(outcomes).toMatchObject([{ stored: false, error: { code: 'AUDIT_EVENT_IN_FUTURE' } }, { stored: true }]);
  expect(await db.sql`select to_regclass('auditbox.audit_log_9999_12') as table`).toEqual([{ table: null }]);
});

test('an id is taken in all months: the same event is known, another one refused', async () => {
  const event = anEvent({ updated_at: '2026-03-15T00:00:00Z' });
  const elsewhere = { ...event, updated_at: '2026-04-15T00:00:00Z' };
  await storeEachEvent(db, [one(event)]);
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

test('an event whose batch is stored names its object', async () => {
  const event = anEvent({ updated_at: '2026-03-15T00:00:00Z' });
  await db.store([event]);
  expect(await getEvent(db, event.id ?? '', allTenants)).toMatchObject({
    exported: { state: 'pending', object_key: null },
  });
  await markAllDone();
  expect(await getEvent(db, event.id ?? '', allTenants)).toMatchObject({
    exported: { state: 'done', object_key: 'k', sha256: 'a'.repeat(64), exported_at: expect.stringMatching(/Z$/) },
  });
});

test('an INSERT into a partition by its name gets its outbox row, and the partition is append-only too', async () => {
  const [row] = await db.sql<[{ id: string }]>`
    insert into auditbox.audit_log_2026_07 (occurred_at, changed_by, action, table_name, object_id)
    values ('2026-07-15', 'x', 'created', 't', '1') returning id`;
  expect(await db.sql`select from auditbox.outbox where audit_id = ${row.id}`).toHaveLength(1);
  for (const statement of [
    'delete from auditbox.audit_log_2026_07',
    'truncate auditbox.audit_log_2026_07',
    'update auditbox.audit_log_2026_07 set action = action',
  ])
    await expect(db.sql.unsafe(statement)).rejects.toThrow('audit_log_2026_07 is append-only');
});

test('a month past retention is removed once all of it is exported, and takes no event after it is closed', async () => {
  const event = anEvent({ updated_at: '2020-05-15T00:00:00Z' });
  await db.store([event, anEvent({ updated_at: '2020-06-15T00:00:00Z' })]);
  const find = async () => (await listExpiredMonths(db, 1_000)).find(({ name }) => name === 'audit_log_2020_05');
  const month = await find();
  if (!month) throw new Error('The month is not listed.');
  await expect(dropMonth(db, month, 's3')).rejects.toThrow('is not closed');
  await closeMonth(db, month);
  expect(await dropMonth(db, month, 's3')).toBe(false);
  await markAllDone();
  expect(await find()).toMatchObject({ isClosed: true });
  const late = one(anEvent({ updated_at: '2020-05-31T23:59:59Z' }));
  const neighbour = one(anEvent());
  expect(await storeEachEvent(db, [late, neighbour])).toMatchObject([
    { stored: false, error: { code: 'AUDIT_MONTH_CLOSED' } },
    { stored: true },
  ]);
  expect(await dropMonth(db, month, 's3')).toBe(true);
  expect(await find()).toBeUndefined();
  expect(await getEvent(db, event.id ?? '', allTenants)).toBeNull();
  // It was exported: stored again it would be exported twice.
  expect(await storeEachEvent(db, [one(event)])).toMatchObject([{ stored: false, error: { code: 'AUDIT_CONFLICT' } }]);
});

test('the index of words is made over all months while writers continue, covers new months, and can be removed', async () => {
  const own = await openTestDatabase();
  await own.store([anEvent({ updated_values: { text: 'zebra' } })]);
  await makeSearchIndex(own.sql, () => {});
  await makeSearchIndex(own.sql, () => {});
  await own.store([anEvent({ updated_at: '2011-11-11T00:00:00Z', updated_values: { text: 'zebra' } })]);
  const isValid = async () =>
    (
      await own.sql`select indisvalid as valid from pg_index where indexrelid = to_regclass('auditbox.audit_log_words')`
    )[0]?.valid;
  expect(await isValid()).toBe(true);
  const plan = await own.sql.begin(async (tx) => {
    await tx`set local enable_seqscan = off`;
    return tx`explain select id from auditbox.audit_log a where auditbox.audit_words(a.before_value, a.updated_values, a.context) @@ 'zebra'`;
  });
  const leaves = await own.sql`select relid from pg_partition_tree('auditbox.audit_log') where isleaf`;
  expect(
    JSON.stringify(plan).match(/Bitmap Index Scan on audit_log_\d{4}_\d\d_\w*words|Bitmap Index Scan on \w+_idx/g),
  ).toHaveLength(leaves.length);
  await dropSearchIndex(own.sql);
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

test('a month that was detached by hand refuses its event alone, and says so', async () => {
  const own = await openTestDatabase();
  await own.store([anEvent({ updated_at: '2026-02-15T00:00:00Z' })]);
  await own.sql`alter table auditbox.audit_log detach partition auditbox.audit_log_2026_02`;
  const [lost, present, fresh] = ['2026-02-16', '2026-07-01', '2026-01-01'].map((day) =>
    one(anEvent({ updated_at: `${day}T00:00:00Z` })),
  );
  if (!lost || !present || !fresh) throw new Error('three events');
  expect(await storeEachEvent(own, [present, lost, fresh])).toMatchObject([
    { stored: true },
    { stored: false, error: { code: 'AUDIT_MONTH_DETACHED' } },
    { stored: true },
  ]);
  await expect(storeAuditEvents(own, [lost])).rejects.toMatchObject({ code: 'AUDIT_MONTH_DETACHED', index: 0 });
  await own.close(1_000);
});

test('events of months that exist are stored while another month is being made', async () => {
  const own = await openTestDatabase();
  const maker = connectDatabase({ url: own.url, application: 'test', maxConnections: 1, statementTimeoutMs: 20_000 });
  let letMake = () => {};
  const blocked = own.sql.begin(async (tx) => {
    // The lock that makers of months take.
    await tx`select pg_advisory_xact_lock(7283104913)`;
    await new Promise<void>((resolve) => {
      letMake = resolve;
    });
  });
  const present = one(anEvent({ updated_at: '2026-07-01T00:00:00Z' }));
  const storing = storeEachEvent(
    own,
    [one(anEvent({ updated_at: '1990-01-01T00:00:00Z' })), present],
    createMonthMaker(maker),
  );
  await eventually(async () =>
    expect(await own.sql`select from auditbox.audit_log where id = ${present.id}`).toHaveLength(1),
  );
  letMake();
  await blocked;
  expect(await storing).toMatchObject([{ stored: true }, { stored: true }]);
  await Promise.all([own.close(1_000), maker.close(1_000)]);
});

test('a call that needs more new months than it may is refused with the place, and makes none', async () => {
  const events = ['1971', '1972', '1971', '1973'].map((year) =>
    createAuditEvent(anEvent({ updated_at: `${year}-05-01T00:00:00Z` })),
  );
  await expect(storeAuditEvents(db, events, { maxNewMonths: 2 })).rejects.toMatchObject({
    code: 'AUDIT_TOO_MANY_MONTHS',
    index: 3,
  });
  expect(await db.sql`select to_regclass('auditbox.audit_log_1971_05') as table`).toEqual([{ table: null }]);
  expect(await storeAuditEvents(db, events.slice(0, 3), { maxNewMonths: 2 })).toHaveLength(3);
});

test('an event that names the id of another one in its texts does not get that one refused', async () => {
  const neighbour = one(anEvent());
  const closed = one(anEvent({ updated_at: '2019-05-15T00:00:00Z', changed_by: `(${neighbour.id},` }));
  await db.store([anEvent({ updated_at: '2019-05-01T00:00:00Z' })]);
  await db.sql`select auditbox.close_month('audit_log_2019_05')`;
  expect(await storeEachEvent(db, [neighbour, closed])).toMatchObject([
    { stored: true },
    { stored: false, error: { code: 'AUDIT_MONTH_CLOSED' } },
  ]);
});

test('the answer to a single event has the bytes of the stored line, alone or with others', async () => {
  const texts = Array.from({ length: 0x2100 }, (_, code) => String.fromCharCode(code + 1)).join('');
  const events = [
    anEvent({
      object_id: texts.slice(0, 300) + texts.slice(0x2010, 0x2040),
      updated_at: '2026-07-03T11:46:50Z',
      before_value: null,
      updated_values: { a: [1.1, texts] },
    }),
    anEvent({ updated_at: '2026-07-03T13:46:50.2+02:00', object_id: '😀\u2028"\\', context: { a: 'b' } }),
    anEvent({ updated_at: '1970-01-01T00:00:00.000001Z' }),
    anEvent({ changed_by: 'ž"\\', changed_by_api_key: '', tenant: 'acme' }),
  ].map(one);
  const alone = await Promise.all(events.map((event) => storeEachEvent(db, [event])));
  const together = await storeEachEvent(
    db,
    events.map(({ id: _id, ...event }) => identify({ ...event, id: null })),
  );
  for (const outcome of [...alone.flat(), ...together]) {
    if (!outcome.stored) throw outcome.error;
    expect(outcome.event.outcome).toBe('created');
    expect((await getEvent(db, outcome.event.id, allTenants))?.json).toBe(outcome.event.json);
  }
});
