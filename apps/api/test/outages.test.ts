import { createApiFixture, masterKey } from '@auditbox/testing/api-fixture.ts';
import { eventually } from '@auditbox/testing/eventually.ts';
import { endApps, spawnApp } from '@auditbox/testing/spawn-app.ts';
import { startTcpProxy } from '@auditbox/testing/tcp-proxy.ts';
import { createTestDatabase } from '@auditbox/testing/template-database.ts';
import { openTestDatabase } from '@auditbox/testing/test-database.ts';
import { anEvent, someEvents } from '@auditbox/testing/test-events.ts';
import { afterEach, expect, inject, test } from 'vitest';

afterEach(endApps);

const post = (url: string, event: unknown) =>
  fetch(`${url}/audit`, {
    method: 'POST',
    headers: { authorization: `Bearer ${masterKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(event),
  });

test('a database that is down at start and one that goes away later: 503 with Retry-After, then it works again', async () => {
  const db = await openTestDatabase();
  const { hostname: host, port } = new URL(db.url);
  const proxy = await startTcpProxy({ host, port: Number(port) });
  const url = new URL(db.url);
  url.port = String(proxy.port);
  await proxy.down();
  const app = spawnApp('api/src/main.ts', { DATABASE_URL: url.href, PORT: '0', AUDIT_MASTER_KEY: masterKey });
  const api = `http://127.0.0.1:${(await app.line(/^The api listens/)).port}`;
  await app.line(/^The database cannot be used now/);

  const refused = await post(api, anEvent());
  expect(refused.status).toBe(503);
  expect(refused.headers.get('retry-after')).toBe('1');
  expect((await fetch(`${api}/readyz`)).status).toBe(503);
  expect((await fetch(`${api}/livez`)).status).toBe(200);

  await proxy.up();
  await eventually(async () => expect((await post(api, anEvent())).status).toBe(201));
  await proxy.down();
  expect((await post(api, anEvent())).status).toBe(503);
  await proxy.up();
  await eventually(async () => expect((await post(api, anEvent())).status).toBe(201));
  expect((await fetch(`${api}/readyz`)).status).toBe(200);
  await proxy.down();
  await db.close(1_000);
});

test('an api that is killed at random moments keeps all that it acknowledged', async () => {
  const acknowledged: string[] = [];
  const fixture = await createApiFixture();
  for (let kills = 0; kills < 3; kills += 1) {
    const app = spawnApp('api/src/main.ts', { DATABASE_URL: fixture.db.url, PORT: '0', AUDIT_MASTER_KEY: masterKey });
    const api = `http://127.0.0.1:${(await app.line(/^The api listens/)).port}`;
    const before = acknowledged.length;
    const write = async () => {
      for (const event of someEvents(1_000)) {
        const { status } = await post(api, event);
        if (status === 201) acknowledged.push(event.id);
        if (acknowledged.length - before > 100 + 50 * kills) app.signal('SIGKILL');
      }
    };
    await Promise.allSettled([write(), write(), write(), write()]);
    await app.ended;
  }
  const stored = await fixture.db.sql<
    { id: string }[]
  >`select a.id from audit_log a join outbox o on o.audit_id = a.id`;
  const ids = new Set(stored.map(({ id }) => id));
  expect(acknowledged.length).toBeGreaterThan(300);
  expect(acknowledged.filter((id) => !ids.has(id))).toEqual([]);
  await fixture.close();
});

test('SIGTERM answers what is under way and exits with 0', async () => {
  const fixture = await createApiFixture();
  const answers = someEvents(50).map((event) => post(fixture.url, event));
  await Promise.race(answers);
  fixture.app.signal('SIGTERM');
  const statuses = await Promise.allSettled(answers);
  expect(await fixture.app.ended).toBe(0);
  const stored = new Set((await fixture.db.sql<{ id: string }[]>`select id from audit_log`).map(({ id }) => id));
  for (const settled of statuses) {
    if (settled.status === 'fulfilled') expect(stored).toContain(((await settled.value.json()) as { id: string }).id);
  }
  await fixture.close();
});

test('missing and wrong settings stop it at once, all named', async () => {
  const app = spawnApp('api/src/main.ts', { PORT: 'http', AUDIT_MASTER_KEY: 'short' });
  expect(await app.ended).toBe(1);
  expect(app.output()).toContain('DATABASE_URL is not set');
  expect(app.output()).toContain('PORT is "http"; it takes a whole number from 0 to 65535.');
  expect(app.output()).toContain(
    'AUDIT_MASTER_KEY is set to something else; it takes at least 16 visible ASCII characters.',
  );
});

test('a port that is taken stops it with a sentence', async () => {
  const fixture = await createApiFixture();
  const second = spawnApp('api/src/main.ts', { DATABASE_URL: fixture.db.url, PORT: new URL(fixture.url).port });
  expect(await second.ended).toBe(1);
  expect(second.output()).toContain('The api cannot listen: listen EADDRINUSE');
  await fixture.close();
});

test('a database without the tables is explained', async () => {
  const url = await createTestDatabase(inject('databaseServer'), { empty: true });
  const app = spawnApp('api/src/main.ts', { DATABASE_URL: url, PORT: '0', AUDIT_MASTER_KEY: masterKey });
  const api = `http://127.0.0.1:${(await app.line(/^The api listens/)).port}`;
  const refused = await post(api, anEvent());
  expect(refused.status).toBe(503);
  expect(await refused.text()).toContain('The database must be set up first (42P01).');
  await app.line(/run `npm run migrate`/);
});
