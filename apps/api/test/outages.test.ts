import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { createApiFixture, masterKey } from '@auditbox/testing/fixtures/api-fixture.ts';
import { lockAuditLog } from '@auditbox/testing/fixtures/lock-audit-log.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { startTcpProxy } from '@auditbox/testing/proxies/tcp-proxy.ts';
import { startOwnPostgres } from '@auditbox/testing/servers/own-postgres.ts';
import { endApps, spawnApp } from '@auditbox/testing/servers/spawn-app.ts';
import { createTestDatabase } from '@auditbox/testing/servers/template-database.ts';
import { openTestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { migrateWithRoles, urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterAll, expect, inject, test } from 'vitest';

/* The tests that wait for a time-out run at the same time. */

afterAll(endApps);

const post = (url: string, event: unknown) =>
  fetch(`${url}/audit`, {
    method: 'POST',
    headers: { authorization: `Bearer ${masterKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(event),
  });

test('a database that is down at the start, and one that goes down later: 503 with Retry-After, then writes work again', async () => {
  const db = await openTestDatabase();
  const { hostname: host, port } = new URL(db.url);
  const proxy = await startTcpProxy({ host, port: Number(port) });
  const url = new URL(urlAs('api', db.url));
  url.port = String(proxy.port);
  await proxy.down();
  const app = spawnApp('api/src/main.ts', { DATABASE_URL: url.href, PORT: '0', AUDIT_MASTER_KEY: masterKey });
  const api = `http://127.0.0.1:${(await app.event('api-listening')).port}`;
  await app.event('database-not-ready');

  const rejected = await post(api, anEvent());
  expect(rejected.status).toBe(503);
  expect(rejected.headers.get('retry-after')).toBe('1');
  expect((await fetch(`${api}/readyz`)).status).toBe(503);
  expect((await fetch(`${api}/livez`)).status).toBe(200);

  const acknowledged: string[] = [];
  const acknowledge = async () => {
    const event = anEvent();
    expect((await post(api, event)).status).toBe(201);
    acknowledged.push(event.id);
  };
  await proxy.up();
  await eventually(acknowledge);
  await proxy.down();
  expect((await post(api, anEvent())).status).toBe(503);
  await proxy.up();
  await eventually(acknowledge);
  expect((await fetch(`${api}/readyz`)).status).toBe(200);
  await proxy.down();
  const stored = await db.sql<{ id: string }[]>`select audit_id as id from auditbox.outbox order by outbox.id`;
  expect(stored.map(({ id }) => id)).toEqual(acknowledged);
  await db.close(1_000);
});

test('an api that is killed at random moments keeps every event that it acknowledged', async () => {
  const acknowledged: string[] = [];
  const fixture = await createApiFixture();
  for (let kills = 0; kills < 3; kills += 1) {
    const app = spawnApp('api/src/main.ts', {
      DATABASE_URL: urlAs('api', fixture.db.url),
      PORT: '0',
      AUDIT_MASTER_KEY: masterKey,
    });
    const api = `http://127.0.0.1:${(await app.event('api-listening')).port}`;
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
  >`select a.id from auditbox.audit_log a join auditbox.outbox o on o.audit_id = a.id`;
  const ids = new Set(stored.map(({ id }) => id));
  expect(acknowledged.length).toBeGreaterThan(300);
  expect(acknowledged.filter((id) => !ids.has(id))).toEqual([]);
  await fixture.close();
});

test.concurrent('after SIGTERM the api answers every running request and exits with 0', async () => {
  const fixture = await createApiFixture();
  const unlock = await lockAuditLog(fixture.db);
  const answers = someEvents(8).map((event) => fixture.request('/audit/batch', { body: [event] }));
  await eventually(async () => {
    const waiting = await fixture.db.sql`
      select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    // The share of a key. The others wait in the process.
    expect(waiting).toHaveLength(5);
  });
  // Connections are accepted in their order. So all eight requests have arrived.
  expect((await fixture.request('/livez', { key: null })).status).toBe(200);
  fixture.app.signal('SIGTERM');
  await fixture.app.event('stopping');
  await unlock();
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(Array(8).fill(201));
  expect(await fixture.app.ended).toBe(0);
  await fixture.db.close(1_000);
});

test.concurrent('SIGTERM during the start stops the api', async () => {
  const db = await openTestDatabase();
  const { hostname: host, port } = new URL(db.url);
  const proxy = await startTcpProxy({ host, port: Number(port) });
  proxy.swallow(true);
  const url = new URL(urlAs('api', db.url));
  url.port = String(proxy.port);
  const app = spawnApp('api/src/main.ts', { DATABASE_URL: url.href, PORT: '0', AUDIT_MASTER_KEY: masterKey });
  await app.event('api-listening');
  app.signal('SIGTERM');
  expect(await app.ended).toBe(0);
  await db.close(1_000);
});

test.concurrent('slow reads are a 503 and do not end the process', async () => {
  const fixture = await createApiFixture();
  const unlock = await lockAuditLog(fixture.db);
  const answers = await Promise.all(Array.from({ length: 40 }, () => fixture.request('/audit')));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]));
  await unlock();
  await eventually(async () => expect((await fixture.request('/audit')).status).toBe(200));
  expect(fixture.app.output()).not.toContain('database-driver-hung');
  await fixture.db.close(1_000);
});

test.concurrent('a half-open database connection: 503, and writes work again after the connection does', async () => {
  const db = await openTestDatabase();
  const { hostname: host, port } = new URL(db.url);
  const proxy = await startTcpProxy({ host, port: Number(port) });
  const url = new URL(urlAs('api', db.url));
  url.port = String(proxy.port);
  const start = async () => {
    const app = spawnApp('api/src/main.ts', { DATABASE_URL: url.href, PORT: '0', AUDIT_MASTER_KEY: masterKey });
    return { app, api: `http://127.0.0.1:${(await app.event('api-listening')).port}` };
  };
  let { app, api } = await start();
  expect((await post(api, anEvent())).status).toBe(201);
  proxy.swallow(true);
  expect((await post(api, anEvent())).status).toBe(503);
  proxy.swallow(false);
  // The watchdog may have ended the process. Then a supervisor starts a new one.
  const restarted = app.ended.then(async (code) => {
    expect(code).toBe(70);
    ({ app, api } = await start());
  });
  await eventually(async () => expect((await post(api, anEvent())).status).toBe(201));
  void restarted.catch(() => {});
  await db.close(1_000);
});

test('acknowledged events are there after Postgres was killed, even if the database is set to asynchronous commits', async () => {
  const own = await startOwnPostgres();
  await migrateWithRoles(own.url);
  await own.sql`alter system set synchronous_commit = off`;
  await own.sql`alter system set wal_writer_delay = '10s'`;
  await own.sql`select pg_reload_conf()`;
  const app = spawnApp('api/src/main.ts', {
    DATABASE_URL: urlAs('api', own.url),
    PORT: '0',
    AUDIT_MASTER_KEY: masterKey,
  });
  const api = `http://127.0.0.1:${(await app.event('api-listening')).port}`;
  const events = someEvents(50);
  const answers = await Promise.all(events.map((event) => post(api, event)));
  expect(answers.map(({ status }) => status)).toEqual(events.map(() => 201));
  await own.killAndRestart();
  await eventually(async () => {
    const stored = await own.sql<
      { id: string }[]
    >`select a.id from auditbox.audit_log a join auditbox.outbox o on o.audit_id = a.id`;
    expect(stored.map(({ id }) => id).sort()).toEqual(events.map(({ id }) => id).sort());
  });
  await own.close();
});

test('missing and invalid settings stop the api at the start, and the message names all of them', async () => {
  const app = spawnApp('api/src/main.ts', { PORT: 'http', AUDIT_MASTER_KEY: 'short' });
  expect(await app.ended).toBe(1);
  expect(app.output()).toContain('DATABASE_URL is not set');
  expect(app.output()).toContain('PORT is "http"; it must be a whole number from 0 to 65535.');
  expect(app.output()).toContain(
    'AUDIT_MASTER_KEY has an invalid value (not shown, because it is secret); it must be 32 random bytes, such as `openssl rand -hex 32` prints.',
  );
});

test('a port that is in use stops the api with a sentence', async () => {
  const fixture = await createApiFixture();
  const second = spawnApp('api/src/main.ts', {
    DATABASE_URL: urlAs('api', fixture.db.url),
    PORT: new URL(fixture.url).port,
  });
  expect(await second.ended).toBe(1);
  expect(second.output()).toContain('The api cannot listen: listen EADDRINUSE');
  await fixture.close();
});

test('without the tables, the answer and the log name the problem', async () => {
  const url = await createTestDatabase(inject('databaseServer'), { empty: true });
  const app = spawnApp('api/src/main.ts', { DATABASE_URL: urlAs('api', url), PORT: '0', AUDIT_MASTER_KEY: masterKey });
  const api = `http://127.0.0.1:${(await app.event('api-listening')).port}`;
  const rejected = await post(api, anEvent());
  expect(rejected.status).toBe(503);
  expect(await rejected.text()).toContain('The database is not set up correctly (3F000).');
  const { msg } = await app.event('database-not-ready');
  expect(msg).toContain('run `npm run migrate`');
});
