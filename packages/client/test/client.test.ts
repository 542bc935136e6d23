import { ApiProblem } from '@auditbox/client/api-problem.ts';
import { type AuditClient, createClient } from '@auditbox/client/audit-client.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { type ApiFixture, createApiFixture, masterKey } from '@auditbox/testing/fixtures/api-fixture.ts';
import { lockAuditLog } from '@auditbox/testing/fixtures/lock-audit-log.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { startTcpProxy, type TcpProxy } from '@auditbox/testing/proxies/tcp-proxy.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

let api: ApiFixture;
let client: AuditClient;
beforeAll(async () => {
  api = await createApiFixture();
  client = createClient({ baseUrl: api.url, key: masterKey });
  await api.db.store([
    anEvent({ table_name: 'a,b', object_id: 'comma' }),
    anEvent({ table_name: 'a', object_id: 'part' }),
    anEvent({ table_name: 'c\\', object_id: 'backslash' }),
    anEvent({ object_id: 'place', updated_values: { 'a.b': 'x & y' }, context: { ip: '::1' } }),
  ]);
});
afterAll(() => api.close());

const idsOf = (events: readonly { readonly id: string }[]) => events.map(({ id }) => id).sort();

test('what is written is there, with an id', async () => {
  const { id: _none, ...event } = anEvent({ object_id: 'written' });
  const stored = await client.write(event);
  expect(stored).toMatchObject(event);
  const page = await client.list({ object_id: ['written'] });
  expect(page).toMatchObject({ audit_logs: [stored], total: 1 });
});

test('a batch is written together, and again without harm', async () => {
  const events = someEvents(3);
  expect(await client.writeBatch(events)).toEqual({ created: 3, existing: 0, ids: events.map(({ id }) => id) });
  expect(await client.writeBatch(events)).toMatchObject({ created: 0, existing: 3 });
});

test('a refusal is an ApiProblem with all that is wrong', async () => {
  const refused = await client.list({ page: 0, sort_by: 'id' }).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(ApiProblem);
  expect(refused).toMatchObject({ status: 400, problem: { title: 'Bad Request', errors: [{ path: 'page' }] } });
  await expect(client.write({ ...anEvent(), action: 'nothing' })).rejects.toMatchObject({ status: 422 });
  const stranger = createClient({ baseUrl: api.url, key: 'ab_unknown' });
  await expect(Array.fromAsync(stranger.events())).rejects.toMatchObject({ status: 401 });
});

test('events goes through all that match, by cursor, in the order asked for', async () => {
  const events = Array.from({ length: 25 }, (_, n) =>
    anEvent({ table_name: 'many', updated_at: `2026-07-03T11:00:${String(n).padStart(2, '0')}Z` }),
  );
  await api.db.store(events);
  const found = await Array.fromAsync(client.events({ table_name: ['many'], page_size: 7, sort_order: 'asc' }));
  expect(found.map(({ id }) => id)).toEqual(events.map(({ id }) => id));
});

test.each<[string, Parameters<AuditClient['list']>[0], string[]]>([
  ['commas and backslashes in a value', { table_name: ['a,b', 'c\\'] }, ['comma', 'backslash']],
  ['several values', { object_id: ['comma', 'part'] }, ['comma', 'part']],
  ['a place in a value', { values: { 'updated_values.a\\.b': 'x & y', 'context.ip': '::1' } }, ['place']],
])('%s is asked for exactly', async (_what, query, names) => {
  const found = await Array.fromAsync(client.events(query));
  expect(found.map(({ object_id }) => object_id).sort()).toEqual(names.sort());
});

test('an export streams what matches, in both forms', async () => {
  const events = someEvents(20, { table_name: 'exported' });
  await api.db.store(events);
  const query = { table_name: ['exported'] };
  const lines = (await new Response(await client.export(query)).text()).trimEnd().split('\n');
  expect(idsOf(lines.map((line) => JSON.parse(line)))).toEqual(idsOf(events));
  const csv = await new Response(await client.export({ ...query, format: 'csv' })).text();
  expect(csv.trimEnd().split('\r\n')).toHaveLength(21);
});

/** A client whose connections can be broken. */
async function breakable(): Promise<{ proxy: TcpProxy; client: AuditClient }> {
  const { hostname: host, port } = new URL(api.url);
  const proxy = await startTcpProxy({ host, port: Number(port) });
  return { proxy, client: createClient({ baseUrl: `http://127.0.0.1:${proxy.port}`, key: masterKey }) };
}

test('a write whose answer is lost is sent again and stored once', async () => {
  const { proxy, client } = await breakable();
  const unlock = await lockAuditLog(api.db);
  const written = client.write({ ...anEvent({ table_name: 'lost' }), id: null });
  await eventually(async () => {
    const [waiting] = await api.db.sql`
      select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
    expect(waiting).toBeDefined();
  });
  proxy.reset();
  await unlock();
  const { id } = await written;
  expect(await client.list({ table_name: ['lost'] })).toMatchObject({ total: 1, audit_logs: [{ id }] });
  await proxy.down();
});

test('a poll waits out an api that is not reached', async () => {
  const { proxy, client } = await breakable();
  await proxy.down();
  const stop = new AbortController();
  const [event] = someEvents(1, { table_name: 'away' });
  await api.db.store(event ? [event] : []);
  let faults = 0;
  const onFault = () => {
    faults += 1;
    if (faults === 1) void proxy.up();
  };
  for await (const { events } of client.poll(
    { recorded_after: '2020-01-01', table_name: ['away'] },
    { signal: stop.signal, intervalMs: 20, onFault },
  )) {
    expect(idsOf(events)).toEqual([event?.id]);
    stop.abort();
  }
  expect(faults).toBeGreaterThan(0);
  await proxy.down();
});

test('a poll goes on from the cursor that it handed out', async () => {
  const query = { recorded_after: '2020-01-01', table_name: ['polled'], page_size: 5 };
  const events = someEvents(12, { table_name: 'polled' });
  await api.db.store(events.slice(0, 6));
  const seen: string[] = [];
  let cursor: string | undefined;
  const pollUntil = async (count: number) => {
    const stop = new AbortController();
    for await (const part of client.poll(
      { ...query, ...(cursor && { cursor }) },
      { signal: stop.signal, intervalMs: 20 },
    )) {
      seen.push(...part.events.map(({ id }) => id));
      cursor = part.cursor;
      if (seen.length >= count) stop.abort();
    }
  };
  await pollUntil(6);
  await api.db.store(events.slice(6));
  await pollUntil(12);
  expect(seen.sort()).toEqual(idsOf(events));
});
