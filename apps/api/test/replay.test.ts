import { connectDatabase } from '@auditbox/db/database/connect.ts';
import { addDestination } from '@auditbox/db/export/destinations.ts';
import { failDelivery } from '@auditbox/db/export/fail-delivery.ts';
import { rejectRows } from '@auditbox/db/export/reject-rows.ts';
import { startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { type OutboxFixture, openOutbox } from '@auditbox/testing/fixtures/outbox-fixture.ts';
import { endApps } from '@auditbox/testing/servers/spawn-app.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';

let outbox: OutboxFixture;
let api: Awaited<ReturnType<typeof startApi>>;
let operator: { id: string; key: string };
beforeEach(async () => {
  outbox = await openOutbox();
  api = await startApi(urlAs('api', outbox.url));
  operator = (await api.request('/keys', { body: { name: 'night shift', scopes: ['export:replay'] } })).body;
});
afterEach(async () => {
  await endApps();
  await outbox.close();
});

const post = (path: string, body?: object, key = operator.key) =>
  api.request(path, { method: 'POST', key, ...(body !== undefined && { body }) });

/** A failed batch of three events, and a batch of two of which one is rejected. */
async function failSome(): Promise<{ failed: string }> {
  let failed = '';
  await outbox.insert(3, '2026-07-03T02:00:00Z');
  const [bad = ''] = await outbox.insert(2, '2026-07-03T03:00:00Z');
  await outbox.sealAll();
  for (let left = await waiting(); left > 0; left -= 1) {
    const delivery = await outbox.lease();
    if (delivery.partition === '2026-07-03T02') {
      failed = delivery.batchId;
      await failDelivery(outbox.db, delivery, { error: 'a strange answer', keepRender: false });
    }
    if (delivery.partition === '2026-07-03T03')
      await rejectRows(outbox.db, delivery, [{ outboxId: bad, reason: 'too large' }]);
  }
  return { failed };
}

async function waiting(): Promise<number> {
  const [row] = await outbox.db.sql<[{ n: number }]>`
    select count(*)::int as n from auditbox.delivery where state = 'sealed'`;
  return row.n;
}

const changes = () => outbox.db.sql`
  select changed_by, action, object_id, updated_values, recorded_by from auditbox.audit_log
  where table_name = 'auditbox.destination' order by recorded_at, id`;

test('a dry run counts what failed and was rejected, and changes nothing', async () => {
  await failSome();
  const due = await waiting();
  const { status, body } = await post('/exports/replay', { destination: 's3', dry_run: true });
  expect(status).toBe(200);
  expect(body).toEqual({
    destination: 's3',
    dry_run: true,
    batches: 1,
    events: 3,
    rejected_events: 1,
    has_more: false,
  });
  expect(await waiting()).toBe(due);
  expect(await changes()).toHaveLength(0);
});

test('what failed and was rejected is due again, once, and an audit event says who asked for it', async () => {
  await failSome();
  const due = await waiting();
  const again = await Promise.all([1, 2, 3].map(() => post('/exports/replay', { destination: 's3' })));
  expect(again.map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(await waiting()).toBe(due + 2);
  const written = await changes();
  const replayed = written.map(({ updated_values }) => updated_values.replayed as { batches: number; events: number });
  expect(replayed.reduce((sum, { batches }) => sum + batches, 0)).toBe(2);
  expect(replayed.reduce((sum, { events }) => sum + events, 0)).toBe(4);
  expect(written[0]).toMatchObject({
    changed_by: 'night shift',
    action: 'updated',
    object_id: 's3',
    recorded_by: `key:${operator.id}:night shift`,
  });
  const { body } = await post('/exports/replay', { destination: 's3' });
  expect(body).toMatchObject({ batches: 0, events: 0, rejected_events: 0 });
});

test('one batch, or a range of event times, can be chosen', async () => {
  const { failed } = await failSome();
  const look = async (choice: object) =>
    (await post('/exports/replay', { destination: 's3', dry_run: true, ...choice })).body;
  expect(await look({ batch_id: failed })).toMatchObject({ batches: 1, rejected_events: 0 });
  expect(await look({ from: '2026-07-03T05:00:00+02:00' })).toMatchObject({ batches: 0, rejected_events: 1 });
  expect(await look({ to: '2026-07-03T02:59:59Z' })).toMatchObject({ batches: 1, rejected_events: 0 });
});

test('a destination is paused and resumed, and only a change is an audit event', async () => {
  await addDestination(outbox.db, 'soc');
  for (const verb of ['pause', 'pause', 'resume', 'resume']) {
    const { status, body } = await post(`/destinations/soc/${verb}`);
    expect(status).toBe(200);
    expect(body).toEqual({ name: 'soc', is_paused: verb === 'pause' });
    const [row] = await outbox.db.sql`select is_paused from auditbox.destination where name = 'soc'`;
    expect(row).toEqual({ is_paused: verb === 'pause' });
  }
  expect(await changes()).toMatchObject([
    { object_id: 'soc', updated_values: { is_paused: true }, changed_by: 'night shift' },
    { object_id: 'soc', updated_values: { is_paused: false }, changed_by: 'night shift' },
  ]);
});

test('a wrong name gets a 404 that says which there are, a wrong body a 422, and nothing changes', async () => {
  const missing = await post('/exports/replay', { destination: 'S3' });
  expect(missing.status).toBe(404);
  expect(missing.body.detail).toContain('There are: s3.');
  expect((await post('/destinations/nobody/pause')).status).toBe(404);
  for (const body of [
    {},
    { destination: 's3', batch_id: 1 },
    { destination: 's3', batch_id: '-1' },
    { destination: 's3', from: 'yesterday' },
    { destination: 's3', from: '2026-07-04T00:00:00Z', to: '2026-07-03T00:00:00Z' },
    { destination: 's3', dryRun: true },
  ])
    expect((await post('/exports/replay', body)).status, JSON.stringify(body)).toBe(422);
  expect(await changes()).toHaveLength(0);
});

test('only keys of all tenants with the scope may do it', async () => {
  const make = async (body: object) => (await api.request('/keys', { body })).body.key as string;
  const reader = await make({ name: 'reader', scopes: ['read', 'write'] });
  const bound = await make({ name: 'bound', scopes: ['export:replay'], tenant: 'acme' });
  for (const key of [reader, bound])
    for (const path of ['/exports/replay', '/destinations/s3/pause', '/destinations/s3/resume'])
      expect((await post(path, path === '/exports/replay' ? { destination: 's3' } : undefined, key)).status).toBe(403);
});

test('the login of the api cannot change a destination or a key by SQL without an event that names the login', async () => {
  const { failed } = await failSome();
  const [{ id: rejected } = { id: '' }] = await outbox.db.sql<{ id: string }[]>`
    select outbox_id::text as id from auditbox.rejection`;
  const login = connectDatabase({
    url: urlAs('api', outbox.url),
    application: 'test',
    maxConnections: 1,
    statementTimeoutMs: 20_000,
  });
  const keyOf = (hash: string, name = 'k') =>
    JSON.stringify({ name, hash: hash.repeat(64), prefix: 'abx_live_0', scopes: ['audit:read'] });
  const done = [
    login.sql`select auditbox.pause_destination('s3', true, null)`,
    login.sql`select auditbox.pause_destination('s3', false, 'null')`,
    login.sql`select from auditbox.replay_failed('s3', array[${failed}::bigint], '{}', null)`,
    login.sql`select from auditbox.replay_failed('s3', '{}', array[${rejected}::bigint], '[]')`,
    login.sql`select auditbox.create_key(${keyOf('1')}::text::json, null)`,
    login.sql`select auditbox.rotate_key(key_id, ${keyOf('2')}::text::json, 60, null) from auditbox.api_key where name = 'k'`,
    login.sql`select auditbox.revoke_key(key_id, null) from auditbox.api_key where name = 'k' and replaced_at is null`,
  ];
  const events = () => outbox.db.sql`
    select changed_by, recorded_by from auditbox.audit_log
    where table_name in ('auditbox.destination', 'auditbox.api_key') and recorded_by = 'sql:test_api'`;
  for (const [index, change] of done.entries()) {
    await change;
    expect(await events(), `change ${index}`).toHaveLength(index + 1);
  }
  expect(new Set((await events()).map(({ changed_by }) => changed_by))).toEqual(new Set(['test_api']));
  await login.close(1_000);
});
