import { plantedCodeRan, plantOverloads } from '@auditbox/testing/fixtures/plant-overloads.ts';
import { createTestDatabase } from '@auditbox/testing/servers/template-database.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import postgres, { type Sql } from 'postgres';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';

/*
 * A login makes temp functions, operators, domains, enums with casts, and tables for every name that a body could use, or
 * finds a schema in which somebody else did. None of our functions and triggers may run any of it: it would run with the
 * rights of the owner.
 */

/** A call of each function. The arguments are literals, so that the call itself needs no name. */
const calls: Readonly<Record<string, string>> = {
  adopt_batch: `select auditbox.adopt_batch('s3', 99, 'dt=2026-07-01/hour=00', '{0194f6a0-0000-7000-8000-000000000001}', 'k', '${'0'.repeat(64)}', 10, 10, '${'1'.repeat(64)}', '${'2'.repeat(64)}')`,
  as: `select auditbox.as('ana', '{"a":1}', 'k')`,
  audit_log_to_outbox: 'select auditbox.audit_log_to_outbox()',
  audit_words: `select auditbox.audit_words('{"a":"b"}', '{}', null)`,
  capture: `select auditbox.capture('public.captured', mask => '{secret}', max_value => 64)`,
  capture_body: `select auditbox.capture_body('public.captured', '{"key":["id"],"mask":[],"max_value":64,"on_truncate":"refuse","name":"t"}')`,
  capture_columns: `select auditbox.capture_columns('public.captured')`,
  capture_tree: `select auditbox.capture_tree('public.captured')`,
  nests_deeper: `select auditbox.nests_deeper('[["a["]]', 1)`,
  capture_options: `select auditbox.capture_options('public.captured')`,
  check_delivery_change: 'select auditbox.check_delivery_change()',
  check_log_checkpoint: 'select auditbox.check_log_checkpoint()',
  check_log_head: 'select auditbox.check_log_head()',
  check_new_batches: 'select auditbox.check_new_batches()',
  check_new_delivery: 'select auditbox.check_new_delivery()',
  check_new_rejection: 'select auditbox.check_new_rejection()',
  close_month: `select auditbox.close_month('audit_log_2026_07')`,
  count_unarchived: `select auditbox.count_unarchived('audit_log_2026_07', 's3')`,
  content_key: 'select auditbox.content_key()',
  cut_windows: `select auditbox.cut_windows('{ab c,d e}', '[^a-z]')`,
  create_key: `select auditbox.create_key('{"name":"k","hash":"${'0'.repeat(64)}","prefix":"abx_live_0","scopes":["audit:read"],"tenant":null}')`,
  describe_key: 'select auditbox.describe_key(k) from auditbox.api_key k',
  define_capture: `select auditbox.define_capture('public.captured', '{"exclude":["secret"]}')`,
  drop_month: `select auditbox.drop_month('audit_log_2026_07', 's3')`,
  find_secret_end: `select auditbox.find_secret_end('ab', '^[a-c]*', '{ab,c d}', 1)`,
  find_awaiting_history: `select auditbox.find_awaiting_history('audit_log_2026_07')`,
  keep_delivery: 'select auditbox.keep_delivery()',
  keep_rejection: 'select auditbox.keep_rejection()',
  follow_rename: `select auditbox.follow_rename('public.captured_before')`,
  forget_capture: `select auditbox.forget_capture('public', 'captured_before')`,
  forget_dropped: 'select auditbox.forget_dropped(10)',
  hide_capture: `select auditbox.hide_capture('public.captured_before')`,
  install_capture: `select auditbox.install_capture('public.captured', '{}')`,
  hash_content: `select auditbox.hash_content('{a,b}', '{"[1 , 2]"}')`,
  is_harmless: `select auditbox.is_harmless('sk-...9f2c', 'token')`,
  is_json_text: `select auditbox.is_json_text('[{"a":1}]')`,
  is_unreadable: `select auditbox.is_unreadable('"\\u0000"')`,
  keep_outbox_row: 'select auditbox.keep_outbox_row()',
  kind_of_name: `select auditbox.kind_of_name('X-Api\u2003Key')`,
  kind_of_plain_name: `select auditbox.kind_of_plain_name('apikey')`,
  line_bytes: `select auditbox.line_bytes('a', '{}', null, null)`,
  list_months: 'select auditbox.list_months()',
  make_month: `select auditbox.make_month('2001-02-03')`,
  may_hold_form: `select auditbox.may_hold_form('a=b')`,
  may_hold_name: `select auditbox.may_hold_name('{"pin":1}', '{"pin":1}')`,
  may_hold_secret: `select auditbox.may_hold_secret('"a', '{"b":"\\n"}', '')`,
  member_in_text: `select auditbox.member_in_text('"{\\"team_id\\": \\"a\\", \\"b\\": \\"\\\\u0000\\"}"', 'team_id')`,
  note_key_use: `select auditbox.note_key_use('[{"id":"0194f6a0-0000-7000-8000-000000000001","at":"2026-07-01","address":"::1"}]')`,
  oldest_transaction: 'select auditbox.oldest_transaction()',
  pause_destination: `select auditbox.pause_destination('s3', true, '{}')`,
  outbox_ids_given: 'select auditbox.outbox_ids_given()',
  outbox_holders: `select auditbox.outbox_holders('[]')`,
  own_table: `select auditbox.own_table('api_key')`,
  path_to_unreadable: `select auditbox.path_to_unreadable('{"a":"\\u0000"}', 'x')`,
  recapture: `select auditbox.recapture('public.captured_before')`,
  plain_names: `select auditbox.plain_names('A_b')`,
  reconcile_audit_log: `select auditbox.reconcile_audit_log('-infinity', '00000000-0000-0000-0000-000000000000', 10)`,
  reconcile_outbox: 'select auditbox.reconcile_outbox(0, 10)',
  record: `select auditbox.record('ana', 'created', 't', '1', '{"a":1}', updated_at => '2026-07-03T01:00:00Z')`,
  record_export_change: `select auditbox.record_export_change('s3', '{}', '{}')`,
  record_key_change: `select auditbox.record_key_change('created', '0194f6a0-0000-7000-8000-000000000001', null, '{}', '{}')`,
  redact_event: `select auditbox.redact_event('{sk-A1b2C3d4E5f6G7h8}', '{"{\\"pin\\":[1],\\"a\\":\\"{\\\\\\"token\\\\\\": \\\\\\"b\\\\\\", \\\\\\"c\\\\\\": \\\\\\"\\\\\\\\u0000\\\\\\"}\\"}"}')`,
  redact_forms: `select auditbox.redact_forms('password: "hunter2" Bearer A1b2C3d4E5f6G7h8 -----BEGIN PRIVATE KEY-----')`,
  redact_json: `select auditbox.redact_json('{"pin":1,"a":["b=c"]}', '/x', 3)`,
  redact_text: `select auditbox.redact_text('[{"pin":1}]', null, 3)`,
  refuse_change: 'select auditbox.refuse_change()',
  repair_frontier: 'select auditbox.repair_frontier()',
  replay_failed: `select auditbox.replay_failed('s3', '{1,2}', '{1,2}', '{}')`,
  replay_rejections: `select auditbox.replay_rejections('s3', '{1,2}')`,
  require_capturable: `select auditbox.require_capturable('public.captured')`,
  require_fresh_snapshots: 'select auditbox.require_fresh_snapshots()',
  revoke_key: `select auditbox.revoke_key(key_id) from auditbox.api_key`,
  rotate_key: `select auditbox.rotate_key(key_id, '{"hash":"${'1'.repeat(64)}","prefix":"abx_live_1"}', 60) from auditbox.api_key`,
  seal: `select auditbox.seal('hour', 10, 1000, 0, 10)`,
  seal_in_steps: `select auditbox.seal_in_steps('day', 10, 1000, 0, 10)`,
  unescape: `select auditbox.unescape('"\\ud800"')`,
  to_json_text: `select auditbox.to_json_text('a\u{10d800}', '"\\ud800"')`,
  type_under: `select auditbox.type_under(23)`,
  uncapture: `select auditbox.uncapture('public.captured_before')`,
  value_in_text: `select auditbox.value_in_text('"{\\"a\\": [\\"b\\", \\"\\\\u0000\\"]}"', '{a,0}')`,
};

/** What fires the triggers, and what else a login may do. */
const statements = [
  ...Object.values(calls),
  `insert into auditbox.audit_log (changed_by, action, table_name, object_id) values ('ana', 'created', 't', '1')`,
  `insert into auditbox.audit_log (changed_by, action, table_name, object_id, updated_values)
   values ('ana', 'created', 't', '1', '{"team_id":"a","token":"b"}') on conflict do nothing returning id`,
  `insert into auditbox.audit_log (changed_by, action, table_name, object_id, before_value, updated_values)
   values ('ana', 'created', 't', '1', '"{\\"team_id\\":1,\\"token\\":2}"', '"{\\"team_id\\":3,\\"token\\":4}"')`,
  `insert into auditbox.audit_log (changed_by, action, table_name, object_id, context) values ('ana', 'created', 't', '1', '{"a":"\\u0000"}')`,
  `insert into auditbox.audit_log (changed_by, action, table_name, object_id, occurred_at) values ('ana', 'created', 't', '1', '2020-01-01')`,
  `insert into auditbox.audit_log (id, changed_by, action, table_name, object_id) values ('0194f6a0-0000-7000-8000-000000000001', 'ana', 'created', 't', '1')`,
  ...['captured', 'captured_before'].flatMap((table) => [
    `insert into public.${table} (id, name) values (3, 'c')`,
    `insert into public.${table} (id, name) values (3, 'c'), (4, '${'d'.repeat(100)}')`,
    `update public.${table} set name = 'e'`,
    `update public.${table} set id = 5 where id operator(pg_catalog.=) 1`,
    `delete from public.${table}`,
    `truncate public.${table}`,
  ]),
  `insert into auditbox.log_head (destination, origin) values ('s3', 'o'); update auditbox.log_head set size = 2;
   insert into auditbox.log_checkpoint (destination, size, root) values ('s3', 2, '${'0'.repeat(64)}');
   update auditbox.log_checkpoint set note = 'n'`,
  `insert into auditbox.log_head (destination, origin) values ('s3', 'o'); update auditbox.log_head set origin = 'p'`,
  'delete from auditbox.log_entry',
  'select * from auditbox.outbox_status',
  'delete from auditbox.audit_log',
  'truncate auditbox.outbox',
  `select auditbox.seal('day', 10, 1000, 0, 10); update auditbox.delivery set state = 'sending', lease_token = '0194f6a0-0000-7000-8000-000000000001', leased_until = '2030-01-01';
   insert into auditbox.rejection (destination, outbox_id, batch_id, audit_id, occurred_at, reason) values ('s3', 1, 1, '0194f6a0-0000-7000-8000-000000000001', '2026-07-01', 'x')`,
  `insert into auditbox.destination (name) values ('second'); delete from auditbox.delivery; delete from auditbox.destination`,
];

const roles = ['api', 'exporter', 'retention', 'writer'] as const;

let url: string;
const connections: Sql[] = [];
const connect = (of: string) => {
  const sql = postgres(of, { max: 1, onnotice: () => {}, fetch_types: false });
  connections.push(sql);
  return sql;
};
beforeAll(async () => {
  url = await createTestDatabase(inject('databaseServer'));
  const admin = connect(url);
  await admin`create schema planted`;
  await admin`grant usage on schema planted to public`;
  await plantOverloads(admin, 'planted');
  await admin`
    insert into auditbox.audit_log (id, occurred_at, changed_by, action, table_name, object_id)
    values ('0194f6a0-0000-7000-8000-000000000001', '2026-07-01', 'ana', 'created', 't', '1')`;
  for (const table of ['captured', 'captured_before'])
    await admin.unsafe(
      `create table public.${table} (id int primary key, name text, secret text, at timestamptz default now(), raw bytea default '\\x00',
         j json default '{"a":"\\u00e4"}', jb jsonb default '{}', list int[] default '{1}', amount numeric default 1.10);
       insert into public.${table} values (1, 'a'), (2, 'b'); grant all on public.${table} to public`,
    );
  await admin`select auditbox.capture('public.captured_before', mask => '{secret}', max_value => 64)`;
});
afterAll(() => Promise.all(connections.map((sql) => sql.end({ timeout: 1 }))));

/** Types that a body names. As an enum, a cast of a literal to the type runs code, too. */
const castTypes = ['uuid', 'timestamptz', 'int8', 'int8multirange', 'int8range', 'json', 'tsvector'];

/** What a statement did in a transaction that is undone: nothing unusual, or the code and the text of its error. */
async function run(sql: Sql, statement: string): Promise<string> {
  await sql`begin`;
  try {
    await sql.unsafe(statement).simple();
    return 'done';
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return message.includes(plantedCodeRan) ? plantedCodeRan : code;
  } finally {
    await sql`rollback`;
  }
}

test('there is a call of each function', async () => {
  const [row] = await connect(url)<[{ names: string }]>`
    select string_agg(distinct proname, ' ' order by proname) as names from pg_proc where pronamespace = 'auditbox'::regnamespace
      and proname not like 'capture\\_captured\\_before\\_%'`;
  expect(row.names.split(' ')).toEqual(Object.keys(calls).sort());
});

test('the planted names are found by a statement that does not qualify its names', async () => {
  const sql = connect(urlAs('writer', url));
  await sql`set search_path = planted, pg_catalog`;
  expect(await run(sql, 'select 1 + 1')).toBe(plantedCodeRan);
  expect(await run(sql, `select 'x'::text`)).toBe(plantedCodeRan);
});

test.each(roles)('the %s gets the same from each function in a session full of planted names', async (role) => {
  const plain = connect(urlAs(role, url));
  const usual = new Map<string, string>();
  for (const statement of statements) usual.set(statement, await run(plain, statement));
  expect([...usual.values()]).toContain('done');

  const sql = connect(urlAs(role, url));
  await plantOverloads(sql, 'pg_temp');
  for (const path of ['pg_temp, planted, pg_catalog', 'planted', 'pg_temp', 'planted, pg_temp']) {
    await sql.unsafe(`set search_path = ${path}`);
    const found = new Map<string, string>();
    for (const statement of statements) found.set(statement, await run(sql, statement));
    expect(found).toEqual(usual);
  }

  const withEnums = connect(urlAs(role, url));
  await withEnums`
    create function pg_temp.ran(text) returns boolean language plpgsql as 'begin raise exception ''planted code ran''; end'`;
  for (const name of castTypes)
    await withEnums
      .unsafe(`
      create type pg_temp.${name} as enum ('a');
      create function pg_temp.cast_${name}(pg_temp.${name}) returns pg_catalog.${name} language plpgsql as 'begin raise exception ''planted code ran''; end';
      create cast (pg_temp.${name} as pg_catalog.${name}) with function pg_temp.cast_${name}(pg_temp.${name}) as implicit;
      create function pg_temp.cast_to_${name}(pg_catalog.${name}) returns pg_temp.${name} language plpgsql as 'begin raise exception ''planted code ran''; end';
      create cast (pg_catalog.${name} as pg_temp.${name}) with function pg_temp.cast_to_${name}(pg_catalog.${name}) as assignment`)
      .simple();
  const found = new Map<string, string>();
  for (const statement of statements) found.set(statement, await run(withEnums, statement));
  expect(found).toEqual(usual);
});
