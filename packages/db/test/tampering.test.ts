import { connectDatabase, type Database } from '@auditbox/db/database/connect.ts';
import { listExpectedFunctions } from '@auditbox/db/doctor/expected-functions.ts';
import { findTampering } from '@auditbox/db/doctor/find-tampering.ts';
import { findWrongRights } from '@auditbox/db/doctor/find-wrong-rights.ts';
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
  expect(await findWrongRights(db)).toEqual([]);
  const exporter = connectDatabase({
    url: urlAs('exporter', url),
    application: 'test',
    maxConnections: 1,
    statementTimeoutMs: 20_000,
  });
  expect(await findTampering(exporter)).toEqual([]);
  expect(await findWrongRights(exporter)).toEqual([]);
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
  [
    "insert into auditbox.batch (id, partition, outbox_ids, row_count, first_occurred_at, last_occurred_at, first_recorded_at) overriding system value values (1000000, '2026-07-01T00', '{[1,2)}', 1, '2026-07-01', '2026-07-01', now())",
    'the sequence batch_id_seq is behind the batches',
  ],
  ["alter function auditbox.make_month set timezone = 'Asia/Shanghai'", 'the function make_month has other settings'],
  ['alter function auditbox.seal set row_security = on', 'the function seal has other settings'],
  ['alter function auditbox.seal security invoker', 'the function seal runs with the rights of its caller'],
  [
    'alter function auditbox.list_months security definer',
    'the function list_months runs with the rights of its owner',
  ],
  ['drop function auditbox.oldest_transaction()', 'the function oldest_transaction is missing'],
  ['grant insert on auditbox.outbox to test_writer', 'test_writer may change the table outbox'],
  ['grant update (bytes) on auditbox.outbox to test_writer', 'test_writer may change the table outbox'],
  ['grant execute on function auditbox.seal to test_api', 'test_api may call the function seal'],
  ["delete from auditbox.destination where name = 's3'", 'the destination s3 is missing'],
  [
    `insert into auditbox.audit_log (changed_by, action, table_name, object_id) values ('x', 'created', 't', '1');
     select auditbox.seal('hour', 10, 1000, 0, 10);
     alter table auditbox.delivery disable trigger delivery_stays; delete from auditbox.delivery`,
    '1 of the newest 10,000 batches have no delivery to s3',
  ],
  ['alter sequence auditbox.outbox_id_seq cache 10', 'gives ids by 1 and keeps 10 for each session'],
  ['alter sequence auditbox.batch_id_seq increment 2', 'gives ids by 2 and keeps 1 for each session'],
  ['create policy half on auditbox.outbox using (id % 2 = 0)', 'the table outbox has the policy half'],
  ['create rule lost as on insert to auditbox.outbox do instead nothing', 'the table outbox has the rule lost'],
  [
    'grant select (action) on auditbox.audit_log to public',
    'everybody may use the column action of the table audit_log',
  ],
  ['grant usage on schema auditbox to public', 'everybody may use the schema'],
  ['grant update on sequence auditbox.outbox_id_seq to public', 'everybody may use the table outbox_id_seq'],
  ['grant delete on auditbox.outbox to auditbox_api', 'auditbox_api has DELETE on table outbox'],
  ['grant insert on auditbox.audit_log to auditbox_api', 'auditbox_api has INSERT on table audit_log'],
  [
    'grant update (key_hash) on auditbox.api_key to auditbox_api',
    'auditbox_api has UPDATE on key_hash of table api_key',
  ],
  ['revoke select on auditbox.outbox_status from auditbox_api', 'auditbox_api lacks SELECT on table outbox_status'],
  ['revoke usage on schema auditbox from auditbox_api', 'auditbox_api lacks USAGE on schema auditbox'],
  ['grant insert on auditbox.batch to auditbox_exporter', 'auditbox_exporter has INSERT on table batch'],
  [
    'revoke update (last_error) on auditbox.delivery from auditbox_exporter',
    'auditbox_exporter lacks UPDATE on last_error of table delivery',
  ],
  [
    'revoke select on sequence auditbox.batch_id_seq from auditbox_exporter',
    'auditbox_exporter lacks SELECT on sequence batch_id_seq',
  ],
  [
    'grant execute on function auditbox.drop_month to auditbox_exporter',
    'auditbox_exporter has EXECUTE on function drop_month',
  ],
  [
    'revoke execute on function auditbox.drop_month from auditbox_retention',
    'auditbox_retention lacks EXECUTE on function drop_month',
  ],
  ['grant update on auditbox.outbox to auditbox_retention', 'auditbox_retention has UPDATE on table outbox'],
  ['grant select on auditbox.api_key to auditbox_writer', 'auditbox_writer has SELECT on table api_key'],
  [
    'revoke execute on function auditbox.record from auditbox_writer',
    'auditbox_writer lacks EXECUTE on function record',
  ],
  [`grant delete on auditbox.${month} to auditbox_writer`, `auditbox_writer has DELETE on table ${month}`],
  [
    'grant select on auditbox.batch to auditbox_api with grant option',
    'auditbox_api may pass on SELECT on table batch',
  ],
  ['grant auditbox_retention to auditbox_writer', 'auditbox_writer is a member of auditbox_retention'],
  [
    `alter table auditbox.audit_log alter recorded_by set default 'sql:boss'`,
    'the column audit_log.recorded_by was changed',
  ],
  [
    `alter table auditbox.${month} alter recorded_by set default 'sql:boss'`,
    `the column recorded_by of the month ${month} has another default`,
  ],
  ['alter table auditbox.outbox alter bytes drop not null', 'the column outbox.bytes was changed'],
  ['alter table auditbox.outbox alter id set generated by default', 'the column outbox.id was changed'],
  ['alter sequence auditbox.outbox_id_seq maxvalue 9000000000000 cycle', 'the sequence outbox_id_seq was changed'],
  ['alter table auditbox.outbox add check (bytes < 1000)', 'the constraint outbox.outbox_bytes_check was added'],
  [
    `alter table auditbox.${month} add constraint most check (action <> 'deleted')`,
    `the month ${month} has the constraint most, which audit_log does not have`,
  ],
  [
    'alter table auditbox.batch drop constraint batch_has_rows, add constraint batch_has_rows check (true)',
    'the constraint batch.batch_has_rows was changed',
  ],
  ['create unique index one_a_second on auditbox.outbox (recorded_at)', 'the index one_a_second was added'],
  [
    `create unique index one_a_second on auditbox.${month} (action)`,
    `the month ${month} has the unique index one_a_second`,
  ],
  [
    'drop index auditbox.batch_outbox_ids; create index batch_outbox_ids on auditbox.batch using gist (outbox_ids) where false',
    'the index batch_outbox_ids was changed',
  ],
  ['drop view auditbox.outbox_status', 'the view outbox_status is missing'],
  [
    `create or replace view auditbox.outbox_status as select id, audit_id, 's3'::text as destination, occurred_at, recorded_at,
       'done'::text as state, 1::bigint as batch_id, 'k'::text as object_key, 'x'::text as sha256, now() as done_at, null::text as last_error
     from auditbox.outbox`,
    'the view outbox_status was changed',
  ],
  [
    'create or replace function auditbox.is_unreadable(value json) returns boolean language sql immutable parallel safe return false',
    'the function is_unreadable was changed',
  ],
  ['alter function auditbox.record strict', 'the function record was changed'],
  ["create function auditbox.mine() returns int language sql as 'select 1'", 'the function mine was added'],
  [
    "alter table auditbox.audit_log add constraint most check (action <> 'deleted')",
    'the constraint audit_log.most was added',
  ],
  ['create table public.more () inherits (auditbox.batch)', 'the table public.more inherits from the table batch'],
  [
    `select auditbox.make_month(now());
     do $$ begin execute format('alter table auditbox.%I add constraint audit_log_month_closed check (false) not valid', 'audit_log_' || to_char(now() at time zone 'UTC', 'YYYY_MM')); end $$`,
    'is closed to events and is not over',
  ],
  [
    `insert into auditbox.audit_log (changed_by, action, table_name, object_id) values ('x', 'created', 't', '1');
     select auditbox.seal('hour', 10, 1000, 0, 10); update auditbox.delivery set next_attempt_at = 'infinity'`,
    '1 delivery to s3 waits for more than a day',
  ],
  ['grant select on auditbox.secret to test_writer', 'test_writer may read the table secret'],
  ['alter role test_writer superuser', 'test_writer, a member of auditbox_writer, is a superuser'],
  ['grant auditbox_owner to test_api', 'test_api, a member of auditbox_api, is also a member of auditbox_owner'],
  [
    'grant pg_write_all_data to test_exporter',
    'test_exporter, a member of auditbox_exporter, is also a member of pg_write_all_data',
  ],
  [
    'grant auditbox_retention to test_exporter',
    'test_exporter is a member of auditbox_exporter and auditbox_retention',
  ],
  [
    `do $$ begin execute format('alter database %I set auditbox.actor = ''ceo''', current_database()); end $$`,
    'each session of the database begins with the setting auditbox.actor=ceo',
  ],
  [
    `insert into auditbox.log_head (destination, origin) values ('s3', 'o');
     insert into auditbox.log_entry (destination, index, entry, hashes) values ('s3', 0, 'x', repeat('0', 64))`,
    'the log of s3 has 1 entry behind its end',
  ],
  ['alter role auditbox_api bypassrls', 'auditbox_api may log in, bypass rules or change other roles'],
])('it finds: %s', async (statement, says) => {
  let remedy: string | null = null;
  const undone = new Error('undone');
  const run = db.sql.begin(async (tx) => {
    await tx.unsafe(statement).simple();
    const inside = { query: (send: (sql: unknown) => unknown) => send(tx) } as unknown as Database;
    const findAll = async () => [...(await findTampering(inside)), ...(await findWrongRights(inside))];
    const found = await findAll();
    expect(found.map((one) => one.says).join()).toContain(says);
    remedy = found.find((one) => one.says.includes(says))?.remedy ?? null;
    // Another connection runs that one, in the test of roles.
    if (remedy !== null && remedy !== 'npm run migrate') {
      await tx.unsafe(remedy);
      expect((await findAll()).map((one) => one.says).join()).not.toContain(says);
    }
    throw undone;
  });
  await expect(run).rejects.toBe(undone);
});
