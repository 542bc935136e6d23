import { randomBytes } from 'node:crypto';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import type { App } from '@auditbox/testing/servers/spawn-app.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';

let rig: ExporterFixture;
beforeEach(async () => {
  rig = await createExporterFixture();
});
afterEach(() => rig.close());

async function ask(app: App, path: string): Promise<{ status: number; text: string }> {
  const { port } = await app.event('exporter-running');
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  return { status: response.status, text: await response.text() };
}

test('with a schema older than this version the exporter is not ready, and names the command to run', async () => {
  await rig.db.sql`
    delete from auditbox.migration where tag = (select max(tag collate "C") from auditbox.migration)`;
  const app = rig.start();
  expect(await ask(app, '/readyz')).toEqual({ status: 503, text: expect.stringContaining('run `npm run migrate`') });
  expect((await ask(app, '/livez')).status).toBe(200);
  await app.event('database-not-ready', ({ msg }) => /older than this version.*npm run migrate/.test(msg));
});

test('with a newer schema, as in a rollback, the exporter is ready with a warning, and exports', async () => {
  await rig.db.sql`
    insert into auditbox.migration (tag, sha256) values ('9999_of_a_later_version', ${'a'.repeat(64)})`;
  await rig.db.store(someEvents(3));
  const app = rig.start();
  expect(await ask(app, '/readyz')).toEqual({ status: 200, text: expect.stringMatching(/^ready\n.*newer than this/) });
  await app.event('schema-differs', ({ msg }) => msg.includes('newer than this version'));
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 3 }));
});

test('a role that cannot read the list of migrations makes the exporter ready with a warning', async () => {
  const role = `exporter_${randomBytes(6).toString('hex')}`;
  await rig.db.sql.unsafe(`
    create role ${role} login password 'secret-of-the-role';
    grant usage on schema auditbox to ${role};
    grant select, insert, update, delete on all tables in schema auditbox to ${role};
    revoke all on auditbox.migration from ${role};
    grant execute on all functions in schema auditbox to ${role}`);
  const url = new URL(rig.env.DATABASE_URL ?? '');
  url.username = role;
  url.password = 'secret-of-the-role';
  const app = rig.start([], { DATABASE_URL: url.href });
  expect(await ask(app, '/readyz')).toEqual({ status: 200, text: expect.stringContaining('is not checked') });
  await rig.db.store(someEvents(2));
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 2 }));
});

test.each([
  ['is down', { port: '1' }],
  ['has another password', { password: 'wrong-password' }],
  ['has no such login', { username: 'nobody_of_that_name' }],
  ['is not there', { pathname: '/no_database_of_that_name' }],
  ['has a name that does not resolve', { hostname: 'database.invalid' }],
])(
  'when the database %s, /readyz says so without its address, login or name, which the log has',
  async (_what, wrong) => {
    const url = new URL(rig.env.DATABASE_URL ?? '');
    Object.assign(url, wrong);
    const app = rig.start([], { DATABASE_URL: url.href });
    const { msg } = await app.event('database-not-ready');
    const named = [url.hostname, `:${url.port}`, url.username, url.password, url.pathname.slice(1)];
    expect(named.filter((name) => msg.includes(name))).not.toEqual([]);
    const { status, text } = await ask(app, '/readyz');
    expect(status).toBe(503);
    expect(text).toMatch(/^The database (is not available now|is not set up correctly) \([A-Z0-9_]+\)\.\n$/);
    expect(named.filter((name) => text.includes(name))).toEqual([]);
  },
);

test('an exporter stays ready while the store is down or refuses everything', async () => {
  await rig.db.store(someEvents(2));
  rig.proxy.intervene = { before: () => ({ status: 403, code: 'AccessDenied' }) };
  const app = rig.start();
  await app.event('export-blocked');
  expect(await ask(app, '/readyz')).toEqual({ status: 200, text: 'ready\n' });
  expect(await ask(app, '/livez')).toEqual({ status: 200, text: 'alive\n' });
});
