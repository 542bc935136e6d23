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
  const { port } = await api.line(/^The api listens/);
  url = `http://127.0.0.1:${port}`;
});
afterAll(async () => {
  await endApps();
  await replica.close();
  await primary.close();
});

const ask = (path: string, headers: Record<string, string> = {}) =>
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

test("reads are the replica's, its lag is said, and who prefers the primary sees its own write", async () => {
  const early = await write();
  await eventually(async () => expect((await ask(`/audit/${early}`)).status).toBe(200));
  await replica.pause();
  const late = await write();
  expect((await ask(`/audit/${late}`)).status).toBe(404);
  const own = await ask(`/audit/${late}`, { prefer: 'return=minimal, read-primary' });
  expect(own.status).toBe(200);
  expect(own.headers.get('preference-applied')).toBe('read-primary');
  expect(own.headers.has('auditbox-replica-lag-ms')).toBe(false);
  await eventually(async () =>
    expect(Number((await ask('/audit')).headers.get('auditbox-replica-lag-ms'))).toBeGreaterThan(0),
  );
  const feed = await ask('/audit?recorded_after=2026-01-01');
  expect(feed.status).toBe(200);
  await replica.resume();
  await eventually(async () => expect((await ask(`/audit/${late}`)).status).toBe(200));
  await eventually(async () => expect((await ask('/audit')).headers.get('auditbox-replica-lag-ms')).toBe('0'));
});

test('the feed of what was recorded is read from the primary, whatever the replica knows', async () => {
  await replica.pause();
  const id = await write();
  await eventually(async () => {
    const { audit_logs } = (await (await ask('/audit?recorded_after=2026-01-01&page_size=100')).json()) as {
      audit_logs: { id: string }[];
    };
    expect(audit_logs.map((event) => event.id)).toContain(id);
  });
  await replica.resume();
});
