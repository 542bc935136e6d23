import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { masterKey } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { type OwnPostgres, startOwnPostgres } from '@auditbox/testing/servers/own-postgres.ts';
import { type OwnReplica, startOwnReplica } from '@auditbox/testing/servers/own-replica.ts';
import { type App, endApps, spawnApp } from '@auditbox/testing/servers/spawn-app.ts';
import { migrateWithRoles, urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

let primary: OwnPostgres;
let replica: OwnReplica;
let api: App;
let url: string;
beforeAll(async () => {
  primary = await startOwnPostgres();
  await migrateWithRoles(primary.url);
  replica = await startOwnReplica(primary);
  api = spawnApp('api/src/main.ts', {
    DATABASE_URL: urlAs('api', primary.url),
    DATABASE_READ_URL: urlAs('api', replica.url),
    PORT: '0',
    AUDIT_MASTER_KEY: masterKey,
  });
  const { port } = await api.event('api-listening');
  url = `http://127.0.0.1:${port}`;
});
afterAll(async () => {
  await endApps();
  await replica.close();
  await primary.close();
});

const read = (path: string, headers: Record<string, string> = {}) =>
  fetch(`${url}${path}`, { headers: { authorization: `Bearer ${masterKey}`, ...headers } });
const write = async () => {
  const event = anEvent();
  const response = await fetch(`${url}/audit`, {
    method: 'POST',
    headers: { authorization: `Bearer ${masterKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(event),
  });
  expect(response.status).toBe(201);
  return event.id;
};

test("a replica answers reads and reports its lag; Prefer: read-primary includes the caller's own write", async () => {
  const early = await write();
  await eventually(async () => expect((await read(`/audit/${early}`)).status).toBe(200));
  await replica.pause();
  const late = await write();
  expect((await read(`/audit/${late}`)).status).toBe(404);
  const own = await read(`/audit/${late}`, { prefer: 'return=minimal, read-primary' });
  expect(own.status).toBe(200);
  expect(own.headers.get('preference-applied')).toBe('read-primary');
  expect(own.headers.has('auditbox-replica-lag-ms')).toBe(false);
  await eventually(async () =>
    expect(Number((await read('/audit')).headers.get('auditbox-replica-lag-ms'))).toBeGreaterThan(0),
  );
  await replica.resume();
  await eventually(async () => expect((await read(`/audit/${late}`)).status).toBe(200));
  await eventually(async () => expect((await read('/audit')).headers.get('auditbox-replica-lag-ms')).toBe('0'));
});

test('the feed of recorded events comes from the primary, even if the replica is behind', async () => {
  await replica.pause();
  const id = await write();
  await eventually(async () => {
    const { audit_logs } = (await (await read('/audit?recorded_after=2026-01-01&page_size=100')).json()) as {
      audit_logs: { id: string }[];
    };
    expect(audit_logs.map((event) => event.id)).toContain(id);
  });
  await replica.resume();
});

test.each([
  ['a feed of recorded events', () => 'recorded_after=2026-01-01'],
  ['a poll by event time up to now', () => `start_date=2026-01-01&end_date=${new Date().toISOString()}`],
])('%s, which the primary answers, has no lag of the replica', async (_what, query) => {
  const { status, headers } = await read(`/audit?${query()}`);
  expect(status).toBe(200);
  expect(headers.has('auditbox-replica-lag-ms')).toBe(false);
  expect(headers.has('preference-applied')).toBe(false);
});
