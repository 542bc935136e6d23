import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
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

const sortedIds = (events: readonly { readonly id: string }[]) => events.map(({ id }) => id).sort();

test('a written event can be read, and has an id', async () => {
  const { id: _none, ...event } = anEvent({ object_id: 'written' });
  const stored = await client.write(event);
  expect(stored).toMatchObject(event);
  const page = await client.list({ object_id: ['written'] });
  expect(page).toMatchObject({ audit_logs: [stored], total: 1 });
});

test('a batch can be written twice without harm', async () => {
  const events = someEvents(3);
  expect(await client.writeBatch(events)).toEqual({ created: 3, existing: 0, ids: events.map(({ id }) => id) });
  expect(await client.writeBatch(events)).toMatchObject({ created: 0, existing: 3 });
});

test('a rejected request throws an ApiProblem that lists every problem', async () => {
  const refused = await client.list({ page: 0, sort_by: 'id' }).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(ApiProblem);
  expect(refused).toMatchObject({ status: 400, problem: { title: 'Bad Request', errors: [{ path: 'page' }] } });
  await expect(client.write({ ...anEvent(), action: 'nothing' })).rejects.toMatchObject({ status: 422 });
  const stranger = createClient({ baseUrl: api.url, key: 'ab_unknown' });
  await expect(Array.fromAsync(stranger.events())).rejects.toMatchObject({ status: 401 });
});

test('events yields all matching events in the requested order', async () => {
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
  [
    'a path into a value',
    { values: { 'updated_values.a\\.b': 'x & y', 'context.ip': '::1' }, object_id: ['place', 'part'] },
    ['place'],
  ],
])('a filter with %s matches exactly', async (_what, query, names) => {
  const found = await Array.fromAsync(client.events(query));
  expect(found.map(({ object_id }) => object_id).sort()).toEqual(names.sort());
});

test.each(['ndjson', 'csv'] as const)(
  'a %s export whose end a proxy cut off fails, although its connection ended well',
  async (format) => {
    await api.db.store(someEvents(300, { table_name: `cut ${format}` }));
    // Answers like a proxy that turns a broken connection into a normal end.
    const proxy = createServer(async ({ url, headers }, response) => {
      const whole = await fetch(`${api.url}${url}`, { headers: { authorization: headers.authorization ?? '' } });
      const body = Buffer.from(await whole.arrayBuffer());
      response.end(body.subarray(0, body.length / 2));
    }).listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const { port } = proxy.address() as AddressInfo;
    const behind = createClient({ baseUrl: `http://127.0.0.1:${port}`, key: masterKey });
    const rows = await behind.export({ table_name: [`cut ${format}`], format });
    await expect(new Response(rows).text()).rejects.toMatchObject({ code: 'AUDITBOX_INCOMPLETE_EXPORT' });
    const whole = await client.export({ table_name: [`cut ${format}`], format });
    expect((await new Response(whole).text()).trimEnd().split('\n')).toHaveLength(format === 'csv' ? 301 : 300);
    proxy.close();
  },
);

test('an export streams the matching events in both formats', async () => {
  const events = someEvents(20, { table_name: 'exported' });
  await api.db.store(events);
  const query = { table_name: ['exported'] };
  const lines = (await new Response(await client.export(query)).text()).trimEnd().split('\n');
  expect(sortedIds(lines.map((line) => JSON.parse(line)))).toEqual(sortedIds(events));
  const csv = await new Response(await client.export({ ...query, format: 'csv' })).text();
  expect(csv.trimEnd().split('\r\n')).toHaveLength(21);
});

test.each(['ndjson', 'csv'] as const)(
  'a %s export of the archive has all its parts, one after the other, and fails when one is cut off',
  async (format) => {
    const rows = { ndjson: ['{"n":1}\n', '{"n":2}\n{"n":3}\n'], csv: ['"n"\r\n"1"\r\n', '"2"\r\n"3"\r\n'] }[format];
    const closing = (count: number, cursor: string | null) =>
      format === 'ndjson'
        ? `${JSON.stringify({ export_rows: count, record_begins_at: null, next_cursor: cursor })}\n`
        : `# ${count} rows; record_begins_at none; next_cursor ${cursor ?? 'none'}\r\n`;
    const asked: (string | null)[] = [];
    let isCut = false;
    // An api sends a part of 2,000 objects.
    const server = createServer(({ url }, response) => {
      const cursor = new URL(url ?? '', 'http://api').searchParams.get('cursor');
      asked.push(cursor);
      if (cursor === null) response.end(`${rows[0]}${closing(1, 'part-2')}`);
      else response.end(isCut ? rows[1] : `${rows[1]}${closing(2, null)}`);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const its = createClient({ baseUrl: `http://127.0.0.1:${port}`, key: masterKey });
    const query = { archive: 'true', start_date: '2020-06-01', end_date: '2020-06-02', format } as const;
    expect(await new Response(await its.export(query)).text()).toBe(rows.join(''));
    expect(asked).toEqual([null, 'part-2']);
    isCut = true;
    await expect(new Response(await its.export(query)).text()).rejects.toMatchObject({
      code: 'AUDITBOX_INCOMPLETE_EXPORT',
    });
    server.close();
  },
);

/** A client whose connections can be broken. */
async function breakable(): Promise<{ proxy: TcpProxy; client: AuditClient }> {
  const { hostname: host, port } = new URL(api.url);
  const proxy = await startTcpProxy({ host, port: Number(port) });
  return { proxy, client: createClient({ baseUrl: `http://127.0.0.1:${proxy.port}`, key: masterKey }) };
}

test('a write whose response is lost is sent again and stored once', async () => {
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

test('a poll continues after the api was not reachable', async () => {
  const { proxy, client } = await breakable();
  await proxy.down();
  const stop = new AbortController();
  const [event] = someEvents(1, { table_name: 'away' });
  await api.db.store(event ? [event] : []);
  let errors = 0;
  const onError = () => {
    errors += 1;
    if (errors === 1) void proxy.up();
  };
  for await (const { events } of client.poll(
    { recorded_after: '2020-01-01', table_name: ['away'] },
    { signal: stop.signal, intervalMs: 20, onError },
  )) {
    expect(sortedIds(events)).toEqual([event?.id]);
    stop.abort();
  }
  expect(errors).toBeGreaterThan(0);
  await proxy.down();
});

test('a poll continues from the cursor that it returned', async () => {
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
  expect(seen.sort()).toEqual(sortedIds(events));
});
