import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { expectExactlyOnce } from '@auditbox/testing/expectations/expect-exactly-once.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import type { App } from '@auditbox/testing/servers/spawn-app.ts';
import postgres from 'postgres';
import { afterEach, beforeEach, expect, test } from 'vitest';

let rig: ExporterFixture;
beforeEach(async () => {
  rig = await createExporterFixture();
});
afterEach(() => rig.close());

const idsOf = (events: readonly { id: string }[]) => events.map(({ id }) => id);

test('an event at 23:59:59.999 that is exported the next day is filed under its own day and hour', async () => {
  const event = anEvent({ updated_at: '2026-07-03T23:59:59.999Z' });
  await rig.db.store([event]);
  expect(await (await rig.drain()).ended).toBe(0);
  const [object, ...others] = await rig.bucket.objects();
  expect(others).toEqual([]);
  expect(object?.key).toMatch(/^audit_logs\/dt=2026-07-03\/hour=23\/235959_0{11}\d_[0-9a-f]{12}\.ndjson\.gz$/);
  expect(object).toMatchObject({
    contentType: 'application/gzip',
    contentEncoding: undefined,
    metadata: {
      rows: '1',
      'first-event': '2026-07-03T23:59:59.999000Z',
      'last-event': '2026-07-03T23:59:59.999000Z',
      format: '1',
    },
    events: [{ ...event, context: null }],
  });
});

test('an object holds the rows of one hour, ordered by event time and id', async () => {
  const events = [50, 10, 70, 30, 130, 0].map((minute) =>
    anEvent({ updated_at: new Date(Date.UTC(2026, 6, 3, 11, minute)).toISOString() }),
  );
  await rig.db.store(events);
  await rig.drain();
  await expectExactlyOnce(rig.bucket, idsOf(events));
  const objects = await rig.bucket.objects();
  expect(objects.map(({ events: { length } }) => length)).toEqual([4, 1, 1]);
  for (const { events: rows } of objects) {
    const order = rows.map(({ updated_at, id }) => `${updated_at} ${id}`);
    expect(order).toEqual([...order].sort());
  }
});

test('EXPORT_PARTITION=day files by day', async () => {
  await rig.db.store([
    anEvent({ updated_at: '2026-07-03T01:00:00Z' }),
    anEvent({ updated_at: '2026-07-03T23:00:00Z' }),
  ]);
  await rig.drain({ EXPORT_PARTITION: 'day' });
  const objects = await rig.bucket.objects();
  expect(objects.map(({ key }) => key)).toEqual([expect.stringMatching(/^audit_logs\/dt=2026-07-03\/010000_/)]);
});

test('no object is larger than EXPORT_BATCH_MAX_ROWS or EXPORT_BATCH_MAX_BYTES allows', async () => {
  const events = someEvents(250, { updated_at: '2026-07-03T11:00:00Z' });
  await rig.db.store(events);
  await rig.drain({ EXPORT_BATCH_MAX_ROWS: '60', EXPORT_BATCH_MAX_BYTES: '20000' });
  await expectExactlyOnce(rig.bucket, idsOf(events));
  for (const { text, events: rows } of await rig.bucket.objects()) {
    expect(rows.length).toBeLessThanOrEqual(60);
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(20_000);
  }
});

test('rows wait for other rows until the linger is over or a batch is full', async () => {
  const app = rig.start([], { EXPORT_LINGER_MS: '86400000', EXPORT_BATCH_MAX_ROWS: '10' });
  const first = someEvents(9, { updated_at: '2026-07-03T11:00:00Z' });
  await rig.db.store(first);
  await app.event('bucket-checked');
  const tenth = anEvent({ updated_at: '2026-07-03T11:00:00Z' });
  const elsewhere = anEvent({ updated_at: '2026-07-03T12:00:00Z' });
  expect(await rig.db.states()).toEqual({ pending: 9 });
  await rig.db.store([elsewhere, tenth]);
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 10, pending: 1 }));
  await expectExactlyOnce(rig.bucket, idsOf([...first, tenth]));
});

test('rows that commit out of id order are all exported', async () => {
  const late = postgres(rig.db.url, { max: 1, fetch_types: false });
  const app = rig.start();
  const { promise: inserted, resolve: tellInserted } = Promise.withResolvers<void>();
  const { promise: exported, resolve: letCommit } = Promise.withResolvers<void>();
  const lateEvents = someEvents(3);
  const committed = late.begin(async (tx) => {
    const insert = (id: string) =>
      tx`insert into auditbox.audit_log (id, changed_by, action, table_name, object_id) values (${id}, 'late', 'created', 't', '1')`;
    for (const { id } of lateEvents) await insert(id);
    tellInserted();
    await exported;
  });
  await inserted;
  // These get higher outbox ids than the late ones, and are exported first.
  const early = someEvents(20);
  await rig.db.store(early);
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 20 }));
  letCommit();
  await committed;
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 23 }));
  await expectExactlyOnce(rig.bucket, idsOf([...early, ...lateEvents]));
  app.signal('SIGTERM');
  expect(await app.ended).toBe(0);
  await late.end();
});

test('with two exporters, every id is in exactly one object', async () => {
  const exporters = [rig.start([], { EXPORT_BATCH_MAX_ROWS: '37' }), rig.start([], { EXPORT_BATCH_MAX_ROWS: '41' })];
  const events = Array.from({ length: 40 }, (_, n) =>
    someEvents(50, { updated_at: new Date(Date.UTC(2026, 6, 3, n % 5)).toISOString() }),
  );
  await Promise.all(exporters.map((app) => app.event('bucket-checked')));
  for (const part of events) await rig.db.store(part);
  // On a busy machine one of them may get no processor until the other has sent everything.
  const hasExported = (app: App) => app.log.some(({ event }) => event === 'batch-exported');
  while (!exporters.every(hasExported)) {
    events.push(someEvents(50));
    await rig.db.store(events.at(-1) ?? []);
  }
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: events.flat().length }));
  await expectExactlyOnce(rig.bucket, idsOf(events.flat()));
});

test('EXPORT_CONCURRENCY uploads are in flight at once, and no more', async () => {
  await rig.db.store(Array.from({ length: 9 }, (_, n) => anEvent({ updated_at: `2026-07-03T0${n}:00:00Z` })));
  const { promise: three, resolve: tell } = Promise.withResolvers<void>();
  let open = 0;
  let most = 0;
  rig.proxy.intervene = {
    before: async ({ method, path }) => {
      if (method !== 'PUT' || !path.includes('.ndjson.gz')) return undefined;
      open += 1;
      most = Math.max(most, open);
      if (open === 3) tell();
      // No upload is answered before three arrive, so an exporter that uploads one by one never ends.
      await three;
      open -= 1;
      return undefined;
    },
  };
  expect(await (await rig.drain({ EXPORT_CONCURRENCY: '3' })).ended).toBe(0);
  expect(most).toBe(3);
});

test('the view and the batch name the object, its hash and its rows', async () => {
  await rig.db.store(someEvents(5, { updated_at: '2026-07-03T11:46:50.269Z' }));
  await rig.drain();
  const [object] = await rig.bucket.objects();
  const [batch] = await rig.db.sql`
    select d.destination, d.state, d.object_key, d.sha256, b.row_count, d.attempts, b.partition, d.ndjson_bytes
    from auditbox.delivery d join auditbox.batch b on b.id = d.batch_id`;
  expect(await rig.db.sql`select distinct object_key, sha256 from auditbox.outbox_status`).toEqual([
    { object_key: object?.key, sha256: object?.metadata.sha256 },
  ]);
  expect(batch).toEqual({
    destination: 's3',
    state: 'done',
    object_key: object?.key,
    sha256: object?.metadata.sha256,
    row_count: 5,
    attempts: 1,
    partition: '2026-07-03T11',
    ndjson_bytes: String(Buffer.byteLength(object?.text ?? '')),
  });
});

test('line breaks in a value written by a plain INSERT are not in the NDJSON', async () => {
  await rig.db.sql`
    insert into auditbox.audit_log (changed_by, action, table_name, object_id, updated_values)
    values ('psql', 'created', 't', '1', ${'{\n  "a": 1,\r\n  "b": "x\\ny"\n}'}::text::json)`;
  await rig.drain();
  const [object] = await rig.bucket.objects();
  expect(object?.events).toMatchObject([{ updated_values: { a: 1, b: 'x\ny' } }]);
});
