import { markCell } from '@auditbox/db/migrate/mark-cell.ts';
import { migrateDatabase } from '@auditbox/db/migrate/migrate.ts';
import { parseMigration, readMigrations } from '@auditbox/db/migrate/migrations.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { expectExactlyOnce } from '@auditbox/testing/expectations/expect-exactly-once.ts';
import { startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';

/* Processes of this version in front of a schema that a newer version migrated. */

let rig: ExporterFixture;
beforeEach(async () => {
  rig = await createExporterFixture();
});
afterEach(() => rig.close());

const additive = parseMigration(
  '9998_additive',
  `-- What a newer version may add without harm.
-- Locks: each table, for some milliseconds.
alter table auditbox.audit_log add column newer text;
--> statement-breakpoint
alter table auditbox.outbox add column newer integer default 1;
--> statement-breakpoint
alter table auditbox.batch add column newer integer default 1;
--> statement-breakpoint
alter table auditbox.delivery add column newer integer default 1;
--> statement-breakpoint
alter table auditbox.api_key add column newer text;
--> statement-breakpoint
create table auditbox.newer (id bigint primary key);
`,
);

const incompatible = parseMigration(
  '9999_incompatible',
  `-- Renames what this version uses.
-- Locks: audit_log, for some milliseconds.
-- Oldest reader: 9999_incompatible
alter table auditbox.audit_log rename column recorded_at to stored_at;
`,
);

/** Tries again as `npm run migrate` does: a process may hold a lock that the migration needs, in another order. */
const migrateOn = (...next: (typeof additive)[]) =>
  eventually(() => migrateDatabase(rig.db.url, { migrations: [...readMigrations(), ...next] }));

test('after an additive migration a running api and a running exporter go on, and new ones start', async () => {
  const api = await startApi(urlAs('api', rig.db.url));
  const post = async () => (await api.request('/audit', { body: anEvent() })).status;
  const read = async () => (await api.request('/audit?page_size=5')).status;
  rig.start();
  expect([await post(), await post(), await read()]).toEqual([201, 201, 200]);
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 2 }));
  await migrateOn(additive);
  for (let round = 0; round < 5; round += 1) expect([await post(), await read()]).toEqual([201, 200]);
  expect((await api.request('/audit/batch', { body: [anEvent(), anEvent()] })).status).toBe(201);
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 9 }));
  const { text, status } = await api.request('/readyz');
  expect(status).toBe(200);
  expect(text).toContain('is newer than this version of Auditbox; upgrade this process soon');
  const later = await startApi(urlAs('api', rig.db.url));
  expect((await later.request('/audit', { body: anEvent() })).status).toBe(201);
  expect(await (await rig.drain()).ended).toBe(0);
  const stored = await rig.db.sql<{ id: string }[]>`select audit_id::text as id from auditbox.outbox`;
  await expectExactlyOnce(
    rig.bucket,
    stored.map(({ id }) => id),
  );
});

test('after an incompatible migration a running api answers 503 with a sentence, and never 500', async () => {
  const api = await startApi(urlAs('api', rig.db.url));
  const statuses = new Set<number>();
  const ask = async (path: string, body?: unknown) => {
    const response = await api.request(path, body === undefined ? {} : { body });
    statuses.add(response.status);
    return response;
  };
  await ask('/audit', anEvent());
  await ask('/audit');
  await migrateOn(additive, incompatible);
  const sentence = 'The database has a schema that is too new for this version of Auditbox (SCHEMA_TOO_NEW).';
  await eventually(async () => {
    for (const response of [await ask('/audit', anEvent()), await ask('/audit'), await ask('/readyz')])
      expect(response.body?.detail).toBe(sentence);
  });
  expect([...statuses].sort()).toEqual([200, 201, 503]);
});

test('an exporter with the name of another cell than its database has says it, and writes no object', async () => {
  await markCell({ name: 'ash', url: rig.db.url });
  await rig.db.store([anEvent()]);
  const wrong = rig.start(['--once'], { CELL_NAME: 'birch' });
  expect(await wrong.ended).toBe(1);
  expect(wrong.output()).toContain('call this database the cell birch, and it is the cell ash');
  expect(await rig.bucket.objects()).toEqual([]);
  // The exporter of a cell that was the only database may have no name.
  expect(await (await rig.drain({ CELL_NAME: 'ash' })).ended).toBe(0);
  await rig.db.store([anEvent()]);
  expect(await (await rig.drain()).ended).toBe(0);
  expect(await rig.bucket.objects()).toHaveLength(2);
});

test('an exporter in front of an incompatible schema says it and waits, and a command ends with the sentence', async () => {
  const running = rig.start();
  await running.event('exporter-running');
  await migrateOn(additive, incompatible);
  const sentence =
    'does not know its migration 9999_incompatible (SCHEMA_TOO_NEW). Upgrade this process. Trying again.';
  await eventually(() => expect(running.output()).toContain(sentence));
  expect(running.output()).not.toContain('unexpected-error');
  const command = rig.start(['--once']);
  expect(await command.ended).toBe(1);
  expect(command.output()).toContain('Upgrade this process.');
  // Somebody restores the database.
  await rig.db.sql`alter table auditbox.audit_log rename column stored_at to recorded_at`;
  await rig.db.sql`delete from auditbox.migration where tag = '9999_incompatible'`;
  await rig.db.store([anEvent()]);
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 1 }));
});
