import { connectDatabase, type Database } from '@auditbox/db/database/connect.ts';
import { findTampering, listExpectedFunctions } from '@auditbox/db/doctor/find-tampering.ts';
import { createTestDatabase } from '@auditbox/testing/servers/template-database.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest';

let db: Database;
let url: string;
beforeAll(async () => {
  url = await createTestDatabase(inject('databaseServer'));
});
beforeEach(() => {
  db ??= connectDatabase({ url, application: 'test', maxConnections: 1, statementTimeoutMs: 20_000 });
});
afterAll(() => db.close(1_000));

test('nothing is found in a database that was only migrated, by the exporter either', async () => {
  expect(await findTampering(db)).toEqual([]);
  const exporter = connectDatabase({
    url: urlAs('exporter', url),
    application: 'test',
    maxConnections: 1,
    statementTimeoutMs: 20_000,
  });
  expect(await findTampering(exporter)).toEqual([]);
  await exporter.close(1_000);
  expect(listExpectedFunctions().map(({ name }) => name)).toEqual(
    expect.arrayContaining(['seal', 'make_month', 'audit_log_to_outbox', 'record']),
  );
});

const [month] = ['audit_log_2026_07'];

test.each([
  [
    'create or replace function auditbox.refuse_change() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$ begin return new; end $$',
    'the function refuse_change has another body',
  ],
  ['drop function auditbox.repair_frontier()', 'the function repair_frontier is missing'],
  [
    "create function auditbox.seal(text) returns text language sql as 'select $1'",
    'the function seal has a second form',
  ],
  [
    'alter function auditbox.seal reset search_path',
    "the function seal runs with its owner's rights and without search_path",
  ],
  ['alter function auditbox.drop_month owner to current_user', 'the function drop_month belongs to '],
  ['alter table auditbox.outbox owner to current_user', 'the table outbox belongs to '],
  ['grant execute on function auditbox.make_month to public', 'everybody may call the function make_month'],
  ['grant insert on auditbox.outbox to public', 'everybody may use the table outbox'],
  ['grant create on schema auditbox to auditbox_api', 'the schema lets auditbox_api create objects'],
  ['grant create on schema public to public', 'everybody may create objects in the schema public'],
  ['alter table auditbox.outbox enable row level security', 'the table outbox has row-level security'],
  ['alter table auditbox.outbox set unlogged', 'the table outbox is unlogged'],
  [
    `alter table auditbox.audit_log detach partition auditbox.${month}`,
    `the table ${month} is a month that was detached`,
  ],
  [
    "create table auditbox.audit_log_1990_01 partition of auditbox.audit_log for values from ('1990-01-01 14:00+00') to ('1990-02-01 14:00+00')",
    'the month audit_log_1990_01 has wrong bounds',
  ],
  [
    'insert into auditbox.outbox (id, audit_id, occurred_at, recorded_at, bytes) overriding system value values (1000000, gen_random_uuid(), now(), now(), 1)',
    'the sequence outbox_id_seq is behind the outbox',
  ],
  ['alter sequence auditbox.outbox_id_seq cache 10', 'gives ids by 1 and keeps 10 for each session'],
])('it finds: %s', async (statement, says) => {
  let remedy: string | null = null;
  const undone = new Error('undone');
  const run = db.sql.begin(async (tx) => {
    await tx.unsafe(statement);
    const inside = { query: (send: (sql: unknown) => unknown) => send(tx) } as unknown as Database;
    const found = await findTampering(inside);
    expect(found.map((one) => one.says).join()).toContain(says);
    remedy = found.find((one) => one.says.includes(says))?.remedy ?? null;
    if (remedy !== null) {
      await tx.unsafe(remedy);
      expect((await findTampering(inside)).map((one) => one.says).join()).not.toContain(says);
    }
    throw undone;
  });
  await expect(run).rejects.toBe(undone);
});
