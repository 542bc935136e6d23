import { randomBytes } from 'node:crypto';
import { findCaptureProblems } from '@auditbox/db/doctor/find-capture-problems.ts';
import { spawnApp } from '@auditbox/testing/servers/spawn-app.ts';
import { openTestDatabase, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import postgres, { type Sql } from 'postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

/*
 * What `auditbox.capture` records. The table's owner is a member of auditbox_writer and nothing else; the application may
 * change the table and has no right in our schema.
 */

const suffix = randomBytes(4).toString('hex');
const ownerName = `capture_owner_${suffix}`;
const appName = `capture_app_${suffix}`;
let db: TestDatabase;
let owner: Sql;
let app: Sql;

beforeAll(async () => {
  db = await openTestDatabase();
  await run(
    db.sql,
    `create role ${ownerName} login password 'p' in role auditbox_writer;
     create role ${appName} login password 'p';
     create schema shop authorization ${ownerName};
     grant usage on schema shop to ${appName};
     alter default privileges for role ${ownerName} in schema shop grant all on tables to ${appName};`,
  );
  owner = openAs(ownerName);
  app = openAs(appName);
});
beforeEach(() => forget());
afterAll(async () => {
  await Promise.all([owner.end({ timeout: 1 }), app.end({ timeout: 1 })]);
  await db.close(1_000);
});

function openAs(name: string): Sql {
  const url = new URL(db.url);
  url.username = name;
  url.password = 'p';
  return postgres(url.href, {
    max: 1,
    onnotice: () => {},
    fetch_types: false,
    connection: { application_name: 'shop' },
  });
}

async function run(sql: Sql, script: string): Promise<void> {
  await sql.unsafe(script).simple();
}

let seen = 0n;
async function forget(): Promise<void> {
  const [row] = await db.sql<[{ last: string }]>`select coalesce(max(id), 0)::text as last from auditbox.outbox`;
  seen = BigInt(row.last);
}

interface Recorded {
  readonly action: string;
  readonly object_id: string;
  readonly before: string | null;
  readonly after: string | null;
  readonly context: Readonly<Record<string, unknown>>;
  readonly changed_by: string;
  readonly table_name: string;
}

/** The events since the test began, in the order of recording, without those of captures. */
async function recorded(): Promise<Recorded[]> {
  return db.sql<Recorded[]>`
    select a.action, a.object_id, a.before_value::text as before, a.updated_values::text as after, a.context, a.changed_by,
      a.table_name
    from auditbox.outbox o join auditbox.audit_log a on a.id = o.audit_id
    where o.id > ${String(seen)}::int8 and a.table_name <> 'auditbox.captured_table'
    order by o.id`;
}

/** Each event as one line: action, id, values before and after. */
async function lines(): Promise<string[]> {
  return (await recorded()).map(({ action, object_id, before, after }) =>
    [action, object_id, before, after].filter((part) => part !== null).join(' '),
  );
}

/** Makes the table `shop.name` and captures it. */
async function capture(name: string, columns: string, options = ''): Promise<void> {
  await run(owner, `create table shop.${name} (${columns}); select auditbox.capture('shop.${name}'${options})`);
  await forget();
}

test('each changed row is an event in the same transaction, with the login that changed it', async () => {
  await capture('invoice', 'id int primary key, total numeric, note text');
  await run(app, `insert into shop.invoice values (1, 1.10, 'a'), (2, 12345678901234567890.50, null)`);
  await run(app, 'update shop.invoice set total = total * 2 where id = 1');
  await run(app, 'delete from shop.invoice where id = 2');
  expect(await lines()).toEqual([
    'created 1 {"id":1,"total":1.10,"note":"a"}',
    'created 2 {"id":2,"total":12345678901234567890.50,"note":null}',
    'updated 1 {"id":1,"total":1.10,"note":"a"} {"id":1,"total":2.20,"note":"a"}',
    'deleted 2 {"id":2,"total":12345678901234567890.50,"note":null}',
  ]);
  const [first] = await recorded();
  expect(first).toMatchObject({
    table_name: 'shop.invoice',
    changed_by: `db:${appName}`,
    context: { db_user: appName, application_name: 'shop', xid: expect.stringMatching(/^\d+$/) },
  });
  await forget();
  await expect(run(app, 'begin; delete from shop.invoice; select 1 / 0; commit')).rejects.toThrow('division');
  await run(app, 'rollback');
  expect(await lines()).toEqual([]);
  await expect(app`select from auditbox.audit_log`).rejects.toMatchObject({ code: '42501' });
});

test('the ids of a statement are in the order of its rows, where the server has uuidv7', async () => {
  await capture('ordered', 'id int primary key, note text');
  await run(app, "insert into shop.ordered select n, 'a' from generate_series(1, 500) n");
  await run(app, "update shop.ordered set note = 'b'");
  const [server] = await db.sql<
    [{ has_v7: boolean }]
  >`select current_setting('server_version_num')::int >= 180000 as has_v7`;
  const ids = await db.sql<{ id: string }[]>`
    select a.id from auditbox.outbox o join auditbox.audit_log a on a.id = o.audit_id
    where a.table_name = 'shop.ordered' order by a.action, a.object_id::int`;
  expect(ids).toHaveLength(1_000);
  if (server.has_v7) expect(ids).toEqual(ids.toSorted((a, b) => (a.id < b.id ? -1 : 1)));
});

test('a long value is cut on either side of an update of one row', async () => {
  await capture('sided', 'id int primary key, note text', ', max_value => 64');
  const long = 'x'.repeat(100);
  await run(app, `insert into shop.sided values (1, 'short')`);
  await forget();
  for (const note of [long, 'short', 'brief']) await run(app, `update shop.sided set note = '${note}' where id = 1`);
  const cut = expect.stringMatching(/"length" : 100, "sha256"/);
  expect((await recorded()).map(({ before, after }) => [before, after])).toEqual([
    ['{"id":1,"note":"short"}', cut],
    [cut, '{"id":1,"note":"short"}'],
    ['{"id":1,"note":"short"}', '{"id":1,"note":"brief"}'],
  ]);
});

test('an update that changes nothing that is watched is not an event', async () => {
  await capture(
    'page',
    'id int primary key, title text, body json, seen_at timestamptz, secret text',
    `, ignore => '{seen_at}', exclude => '{secret}'`,
  );
  await run(app, `insert into shop.page values (1, 't', '{"a": 1.0}', now(), 's'), (2, 't', null, now(), 's')`);
  await forget();
  await run(app, `update shop.page set seen_at = now() + interval '1 day', secret = 'other'`);
  await run(app, `update shop.page set title = 't', body = '{"a": 1.0}' where id = 1`);
  expect(await lines()).toEqual([]);
  await run(app, `update shop.page set body = '{"a": 1.00}', seen_at = '2026-07-03T10:00:00+02' where id = 1`);
  expect(await lines()).toEqual([
    expect.stringMatching(
      /^updated 1 \{"id":1,"title":"t","body":\{"a": 1\.0\},"seen_at":"[^"]*"\} \{"id":1,"title":"t","body":\{"a": 1\.00\},"seen_at":"2026-07-03T08:00:00\+00:00"\}$/,
    ),
  ]);
});

test('as() names the actor and the context until the transaction ends', async () => {
  await capture('item', 'id int primary key');
  await run(
    owner,
    `begin; select auditbox.as('ana', '{"request_id": "r-1", "db_user": "forged"}', 'key-hash'); insert into shop.item values (1); commit; insert into shop.item values (2)`,
  );
  // Without any right in our schema.
  await run(app, `begin; select set_config('auditbox.actor', 'bob', true); insert into shop.item values (3); commit`);
  expect(await recorded()).toMatchObject([
    { changed_by: 'ana', context: { request_id: 'r-1', db_user: ownerName } },
    { changed_by: `db:${ownerName}`, object_id: '2' },
    { changed_by: 'bob', context: { db_user: appName }, object_id: '3' },
  ]);
  expect(await db.sql`select from auditbox.audit_log where changed_by_api_key = 'key-hash'`).toHaveLength(1);
  await expect(owner`select auditbox.as('')`).rejects.toThrow('the actor is empty');
  await expect(owner`select auditbox.as('ana', '[]')`).rejects.toThrow('not a JSON object');
});

test('require_actor refuses a change of nobody', async () => {
  await capture('salary', 'id int primary key', ', require_actor => true');
  await expect(run(app, 'insert into shop.salary values (1)')).rejects.toMatchObject({
    code: '42501',
    hint: expect.stringContaining("auditbox.as('who')"),
  });
  await run(app, 'delete from shop.salary');
  await run(app, `begin; select set_config('auditbox.actor', 'ana', true); insert into shop.salary values (1); commit`);
  expect(await lines()).toEqual(['created 1 {"id":1}']);
});

test('a composite key is a JSON array, and a changed key is recorded under the old one', async () => {
  await capture('seat', 'hall text, place int, guest text, primary key (hall, place)');
  await run(app, `insert into shop.seat values ('a', 1, 'x'), ('a', 2, 'y')`);
  await forget();
  await run(app, `update shop.seat set place = place + 10`);
  await run(app, `update shop.seat set hall = 'b' where place = 11`);
  expect((await recorded()).map(({ object_id, context }) => [object_id, context.new_object_id])).toEqual([
    ['["a", 1]', '["a", 11]'],
    ['["a", 2]', '["a", 12]'],
    ['["a", 11]', '["b", 11]'],
  ]);
});

test('rows that swap their keys keep their own values', async () => {
  await capture(
    'place',
    'id int primary key deferrable initially immediate, who text, spare int not null unique',
    `, key => '{spare}'`,
  );
  await run(app, `insert into shop.place values (1, 'x', 1), (2, 'y', 2)`);
  await run(owner, `select auditbox.capture('shop.place', key => '{id,spare}')`);
  await forget();
  await run(app, 'update shop.place set id = 3 - id');
  expect(await lines()).toEqual([
    'updated [1, 1] {"id":1,"who":"x","spare":1} {"id":2,"who":"x","spare":1}',
    'updated [2, 2] {"id":2,"who":"y","spare":2} {"id":1,"who":"y","spare":2}',
  ]);
});

test('ON CONFLICT DO UPDATE, MERGE, COPY and UPDATE FROM are recorded row by row', async () => {
  await capture('stock', 'sku text primary key, count int');
  await run(app, `insert into shop.stock values ('a', 1)`);
  await run(
    app,
    `insert into shop.stock values ('a', 5), ('b', 5), ('c', 5) on conflict (sku) do update set count = excluded.count`,
  );
  await run(
    app,
    `merge into shop.stock s using (values ('a', 7), ('b', 0), ('d', 9)) as v (sku, count) on s.sku = v.sku
     when matched and v.count = 0 then delete when matched then update set count = v.count when not matched then insert values (v.sku, v.count)`,
  );
  const copy = await app`copy shop.stock from stdin`.writable();
  copy.end('e\t1\nf\t2\n');
  await new Promise((resolve) => copy.on('finish', resolve));
  await run(
    app,
    `update shop.stock s set count = s.count + v.n from (values ('e', 1), ('f', 2)) v (sku, n) where s.sku = v.sku`,
  );
  expect((await lines()).sort()).toEqual(
    [
      'created a {"sku":"a","count":1}',
      'created b {"sku":"b","count":5}',
      'created c {"sku":"c","count":5}',
      'updated a {"sku":"a","count":1} {"sku":"a","count":5}',
      'updated a {"sku":"a","count":5} {"sku":"a","count":7}',
      'deleted b {"sku":"b","count":5}',
      'created d {"sku":"d","count":9}',
      'created e {"sku":"e","count":1}',
      'created f {"sku":"f","count":2}',
      'updated e {"sku":"e","count":1} {"sku":"e","count":2}',
      'updated f {"sku":"f","count":2} {"sku":"f","count":4}',
    ].sort(),
  );
});

test('foreign-key cascades are recorded once each, with the actor', async () => {
  await capture('team', 'id int primary key');
  await capture('member', 'id int primary key, team int references shop.team on delete cascade on update cascade');
  await run(
    app,
    'insert into shop.team values (1), (2), (3); insert into shop.member values (10, 1), (11, 1), (20, 2), (30, 3)',
  );
  await forget();
  await run(
    app,
    `begin; select set_config('auditbox.actor', 'ana', true); delete from shop.team where id < 3; update shop.team set id = 4; commit`,
  );
  const events = await recorded();
  expect(new Set(events.map(({ changed_by }) => changed_by))).toEqual(new Set(['ana']));
  expect((await lines()).sort()).toEqual(
    [
      'deleted 1 {"id":1}',
      'deleted 2 {"id":2}',
      'deleted 10 {"id":10,"team":1}',
      'deleted 11 {"id":11,"team":1}',
      'deleted 20 {"id":20,"team":2}',
      'updated 3 {"id":3} {"id":4}',
      'updated 30 {"id":30,"team":3} {"id":30,"team":4}',
    ].sort(),
  );
});

test('a partitioned table is captured through itself, through its partitions, and across them', async () => {
  await run(
    owner,
    `create table shop.reading (day int, id int, v text, primary key (day, id)) partition by range (day);
     create table shop.reading_1 partition of shop.reading for values from (0) to (10);
     create table shop.reading_2 (v text, id int not null, day int not null);
     alter table shop.reading attach partition shop.reading_2 for values from (10) to (20);
     select auditbox.capture('shop.reading')`,
  );
  await forget();
  await run(app, `insert into shop.reading values (1, 1, 'a'), (11, 1, 'b')`);
  await run(app, `update shop.reading_2 set v = 'c'`);
  await run(
    app,
    `update shop.reading set day = day + 9, v = v || '!' where day = 1; delete from shop.reading_2 where day = 11`,
  );
  expect(await lines()).toEqual([
    'created [1, 1] {"day":1,"id":1,"v":"a"}',
    'created [11, 1] {"day":11,"id":1,"v":"b"}',
    'updated [11, 1] {"day":11,"id":1,"v":"b"} {"day":11,"id":1,"v":"c"}',
    'updated [1, 1] {"day":1,"id":1,"v":"a"} {"day":10,"id":1,"v":"a!"}',
    'deleted [11, 1] {"day":11,"id":1,"v":"c"}',
  ]);
});

test('rows that a trigger rejects on their way to another partition are recorded as deleted', async () => {
  await run(
    owner,
    `create table shop.sorted (id int, place int, note text, primary key (id, place)) partition by list (place);
     create table shop.sorted_1 partition of shop.sorted for values in (1);
     create table shop.sorted_2 partition of shop.sorted for values in (2);
     create function shop.reject() returns trigger language plpgsql as
       $$ begin if new.note = 'bad' then return null; end if; return new; end $$;
     create trigger reject before insert on shop.sorted_2 for each row execute function shop.reject();
     select auditbox.capture('shop.sorted');
     insert into shop.sorted values (1, 1, 'bad'), (2, 1, 'bad'), (3, 1, 'good'), (4, 2, 'here')`,
  );
  await forget();
  await run(owner, 'update shop.sorted set place = 2 where id = 1');
  expect(await lines()).toEqual(['deleted [1, 1] {"id":1,"place":1,"note":"bad"}']);
  await forget();
  await run(owner, `update shop.sorted set place = 2, note = replace(note, 'here', 'there')`);
  expect((await lines()).sort()).toEqual([
    'created [3, 2] {"id":3,"place":2,"note":"good"}',
    'deleted [2, 1] {"id":2,"place":1,"note":"bad"}',
    'deleted [3, 1] {"id":3,"place":1,"note":"good"}',
    'updated [4, 2] {"id":4,"place":2,"note":"here"} {"id":4,"place":2,"note":"there"}',
  ]);
  await forget();
  await run(owner, 'update shop.sorted set place = 1');
  expect(await lines()).toHaveLength(2);
  expect((await recorded()).map(({ action }) => action)).toEqual(['updated', 'updated']);
});

test('a table is captured with those that inherit from it, whichever of them a statement names', async () => {
  await run(owner, 'create table shop.vehicle (id int primary key, name text)');
  await run(owner, 'create table shop.lorry (tons int) inherits (shop.vehicle)');
  await run(owner, `select auditbox.capture('shop.vehicle')`);
  await forget();
  await run(
    owner,
    `insert into shop.lorry values (1, 'a', 7); update shop.vehicle set name = 'b'; update shop.lorry set name = 'c'; delete from shop.vehicle`,
  );
  expect(await lines()).toEqual([
    'created 1 {"id":1,"name":"a"}',
    'updated 1 {"id":1,"name":"a"} {"id":1,"name":"b"}',
    'updated 1 {"id":1,"name":"b"} {"id":1,"name":"c"}',
    'deleted 1 {"id":1,"name":"c"}',
  ]);
  await run(owner, 'create table shop.heavy_lorry () inherits (shop.lorry)');
  expect(await problems('shop.vehicle')).toHaveLength(4);
  const functionOf = () => db.sql`select function_name from auditbox.captured_table where table_name = 'vehicle'`;
  const before = await functionOf();
  await run(owner, `select auditbox.recapture('shop.vehicle')`);
  expect(await problems('shop.vehicle')).toEqual([]);
  expect(await functionOf()).toEqual(before);
  await run(owner, `select auditbox.uncapture('shop.vehicle'); drop table shop.vehicle cascade`);
});

test('TRUNCATE is refused, or one event if it is allowed', async () => {
  await capture('ledger', 'id int primary key');
  await expect(run(app, 'truncate shop.ledger')).rejects.toMatchObject({ code: '42501', table_name: 'ledger' });
  await run(owner, `select auditbox.capture('shop.ledger', on_truncate => 'record')`);
  await run(app, 'truncate shop.ledger');
  expect(await recorded()).toMatchObject([
    { action: 'deleted', object_id: '*', context: { truncated: true, db_user: appName } },
  ]);
});

test('every type keeps its digits and its zone, whatever the session has set', async () => {
  await run(
    owner,
    `create type shop.mood as enum ('sad', 'ok'); create domain shop.price as numeric check (value > 0); create type shop.pair as (a int, b text)`,
  );
  await capture(
    'kinds',
    `id uuid primary key, n numeric, p shop.price, f float8, big int8, at timestamptz, day date, span interval, raw bytea,
     j json, jb jsonb, list int[], dates date[], m shop.mood, moods shop.mood[], pair shop.pair, r tstzrange, "odd "" @name" text,
     doubled int generated always as (2 * 3) stored`,
  );
  await run(
    app,
    `set datestyle = 'SQL, DMY'; set timezone = 'Asia/Shanghai'; set intervalstyle = 'iso_8601'; set extra_float_digits = -3; set bytea_output = 'escape'; set search_path = shop;
     insert into shop.kinds values ('00000000-0000-0000-0000-000000000001', 1.10, 2.50, 0.1, 9223372036854775807, '2026-07-03 18:00', '2026-07-03', '1 day 2 hours',
      '\\x00ff', '{"b":12345678901234567890.10,"a":1.0,"a":null}', '{"b": 1.0}', '{1,2}', '{2026-07-03}', 'ok', '{ok,NULL,sad}', row(1, 'x'), '[2026-07-03 18:00,)', 'q')`,
  );
  await run(app, 'reset all');
  expect(await lines()).toEqual([
    'created 00000000-0000-0000-0000-000000000001 {"id":"00000000-0000-0000-0000-000000000001","n":1.10,"p":2.50,"f":0.1,"big":9223372036854775807,' +
      '"at":"2026-07-03T10:00:00+00:00","day":"2026-07-03","span":"1 day 02:00:00","raw":"\\\\x00ff","j":{"b":12345678901234567890.10,"a":1.0,"a":null},' +
      '"jb":{"b": 1.0},"list":[1,2],"dates":["2026-07-03"],"m":"ok","moods":["ok",null,"sad"],"pair":"(1,x)","r":"[\\"2026-07-03 10:00:00+00\\",)","odd \\" @name":"q","doubled":6}',
  ]);
});

test('columns may have any name', async () => {
  const names = [
    'context',
    'actor',
    'v',
    'c',
    'e',
    'n',
    'o',
    'w',
    'nv',
    'row_count',
    'given',
    'whole',
    'select',
    'a@b',
    '%s',
  ];
  await capture(
    'named',
    `id int primary key, ${names.map((name) => `"${name}" text`).join(', ')}, moods shop.mood[]`,
    ', max_value => 64',
  );
  await run(
    app,
    `insert into shop.named (id, context, moods) values (1, 'x', '{ok}'); update shop.named set "a@b" = repeat('y', 70)`,
  );
  const [, updated] = await recorded();
  expect(JSON.parse(updated?.before ?? '')).toMatchObject({ id: 1, context: 'x', moods: ['ok'], select: null });
  expect(JSON.parse(updated?.after ?? '')).toMatchObject({
    context: 'x',
    'a@b': { length: 70 },
    moods: ['ok'],
    '%s': null,
  });
});

test('a session that reads strings or writes names in another way captures and records the same', async () => {
  await run(owner, 'create domain shop.transaction as xid8');
  const settings = 'set standard_conforming_strings = off; set quote_all_identifiers = on';
  await run(
    owner,
    `${settings}; create table shop.settings (id int primary key, j json, x shop.transaction, d interval);
     select auditbox.capture('shop.settings'); reset all`,
  );
  await forget();
  await run(owner, `insert into shop.settings values (1, '{"a":"ä"}', '7', '1 day')`);
  await run(app, `${settings}; insert into shop.settings values (2, '{"a":"ä"}', '7', '1 day'); reset all`);
  expect(await lines()).toEqual([1, 2].map((id) => `created ${id} {"id":${id},"j":{"a":"ä"},"x":"7","d":"1 day"}`));
  expect(await problems('shop.settings')).toEqual([]);
});

test('a key that differs only for a machine is a changed key', async () => {
  await run(
    db.sql,
    `create collation shop.any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`,
  );
  await capture('person', 'name text collate shop.any_case primary key');
  await run(owner, `insert into shop.person values ('ann'); update shop.person set name = 'ANN'`);
  expect((await recorded()).map(({ context }) => context.new_object_id)).toEqual([undefined, 'ANN']);
});

test('no column can take the name that another column has in the function', async () => {
  await run(owner, `create table shop.marked (id int primary key, "n" int)`);
  const options = async () =>
    (
      await db.sql<{ mark: string }[]>`
      select md5(options::text) as mark from auditbox.captured_table where table_name = 'marked'`
    )[0]?.mark;
  await run(owner, `select auditbox.capture('shop.marked')`);
  const mark = `<${await options()}>`;
  await run(owner, `alter table shop.marked add "${mark}" int; select auditbox.recapture('shop.marked')`);
  await forget();
  await run(owner, 'insert into shop.marked values (1, 2, 3)');
  expect(await lines()).toEqual([`created 1 {"id":1,"n":2,"${mark}":3}`]);
});

test('a value that no reader could read does not stop the write', async () => {
  await capture('note', 'id int primary key, j json');
  await run(app, `insert into shop.note values (1, '{"a":"\\u0000"}'), (2, '{"a":"\\u00e4"}')`);
  expect(await lines()).toEqual([
    'created 1 {"id":1,"j":"{\\"a\\":\\"\\\\u0000\\"}"}',
    'created 2 {"id":2,"j":{"a":"\\u00e4"}}',
  ]);
});

test('a value inside an array of values, or one that nests too deeply, is recorded as its text', async () => {
  await capture('notes', 'id int primary key, js json[], b jsonb, bs jsonb[]', ', max_value => 1000000');
  const deep = '['.repeat(600) + ']'.repeat(600);
  await run(
    app,
    `insert into shop.notes values (1, array['{"a":"\\u0000"}'::json], '${deep}', array['${deep}'::jsonb]);
     insert into shop.notes values (2, array['{"a":1.0}'::json, null], '{"b":2}', '{}')`,
  );
  const [text, plain] = (await recorded()).map(({ after }) => JSON.parse(after ?? ''));
  expect(text).toEqual({ id: 1, js: String.raw`{"{\"a\":\"\\u0000\"}"}`, b: deep, bs: `{${deep}}` });
  expect(plain).toEqual({ id: 2, js: [{ a: 1 }, null], b: { b: 2 }, bs: [] });
});

test('a long value is its length and hash, and a masked one is seen to change', async () => {
  await capture(
    'file',
    'id text primary key, body text, raw bytea, password text',
    `, mask => '{password}', max_value => 100`,
  );
  await run(app, `insert into shop.file values ('1', repeat('ä', 100), decode(repeat('00', 101), 'hex'), 'secret')`);
  await run(app, `update shop.file set password = 'other', body = 'short', raw = null`);
  const events = await recorded();
  expect(events.map(({ before, after }) => [before, after].map((text) => JSON.parse(text ?? 'null')))).toEqual([
    [
      null,
      {
        id: '1',
        body: { length: 200, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
        raw: { length: 101, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
        password: '[redacted:password]',
      },
    ],
    [
      expect.objectContaining({ password: '[redacted:password]' }),
      { id: '1', body: 'short', raw: null, password: '[redacted:password]' },
    ],
  ]);
  await run(app, `insert into shop.file values (repeat('k', 3000), 'b')`);
  expect((await recorded()).at(-1)?.object_id).toMatch(/^sha256:[0-9a-f]{64}$/);
  expect(JSON.stringify(await recorded())).not.toContain('secret');
});

test.each([
  ['no key', 'a int', '', 'has no primary key'],
  ['a key that is not unique', 'a int not null', `, key => '{a}'`, 'does not name one row'],
  ['a key that may be null', 'a int unique', `, key => '{a}'`, 'does not name one row'],
  ['an unknown column', 'a int primary key', `, exclude => '{b}'`, 'exclude has no column b'],
  ['a masked key', 'a int primary key', `, mask => '{a}'`, 'cannot be excluded or masked'],
  ['nothing to watch', 'a int primary key', `, ignore => '{a}'`, 'excluded or ignored'],
  ['an unknown mode', 'a int primary key', `, on_truncate => 'x'`, 'refuse or record'],
])('capture refuses %s', async (_name, columns, options, message) => {
  await expect(
    run(owner, `begin; create table shop.refused (${columns}); select auditbox.capture('shop.refused'${options})`),
  ).rejects.toThrow(message);
  await run(owner, 'rollback');
});

test('capture refuses a table whose name no event could have, unless the events get another one', async () => {
  await run(owner, 'create table shop."two\nlines" (id int primary key)');
  await expect(run(owner, `select auditbox.capture(e'shop."two\\nlines"')`)).rejects.toThrow('has a control');
  await expect(run(owner, `select auditbox.capture(e'shop."two\\nlines"', name => repeat('x', 2049))`)).rejects.toThrow(
    'longer than 2,048 bytes',
  );
  await run(owner, `select auditbox.capture(e'shop."two\\nlines"', name => 'two lines')`);
  await forget();
  await run(owner, 'insert into shop."two\nlines" values (1)');
  expect(await lines()).toEqual(['created 1 {"id":1}']);
});

test('only the owner of a table may capture it, and only an ordinary table can be captured', async () => {
  await run(
    db.sql,
    'create table public.foreign_table (id int primary key); create view shop.v as select 1 as id; create temp table t (id int)',
  );
  for (const name of ['public.foreign_table', 'pg_catalog.pg_class'])
    await expect(owner.unsafe(`select auditbox.define_capture('${name}', '{}')`)).rejects.toMatchObject({
      code: '42501',
    });
  for (const name of ['shop.v', 'auditbox.outbox', 'pg_class'])
    await expect(run(db.sql, `select auditbox.define_capture('${name}', '{}')`)).rejects.toMatchObject({
      code: '42809',
    });
});

test('a table that the catalog of Citus lists as distributed is refused before anything is changed', async () => {
  await run(
    owner,
    'create table shop.spread (id int primary key); create table shop.at_coordinator (id int primary key)',
  );
  const refused = (says: string) => ({
    code: '42809',
    message: expect.stringMatching(`^shop\\.spread cannot be captured: Citus distributes ${says}`),
    hint: expect.stringContaining('Let the application write the events of the table'),
  });
  const undo = new Error('undo');
  await expect(
    db.sql.begin(async (tx) => {
      // The columns of Citus's table that are read. A login that is a member of the owner may read them.
      await tx.unsafe(
        `set local allow_system_table_mods = on;
         create table pg_catalog.pg_dist_partition (logicalrelid regclass, colocationid integer);
         grant select on pg_catalog.pg_dist_partition to public;
         insert into pg_catalog.pg_dist_partition values ('shop.spread', 1), ('shop.at_coordinator', 0);
         set local role ${ownerName}`,
      );
      const install = (how: string) => tx.savepoint((part) => part.unsafe(`select auditbox.${how}('shop.spread')`));
      for (const how of ['capture', 'recapture']) await expect(install(how)).rejects.toMatchObject(refused('it, and'));
      await tx`select auditbox.capture('shop.at_coordinator')`;
      await tx.unsafe(
        `reset role; insert into pg_catalog.pg_dist_partition values ('auditbox.outbox', 2); set local role ${ownerName}`,
      );
      for (const how of ['capture', 'recapture'])
        await expect(install(how)).rejects.toMatchObject(refused('the schema of Auditbox'));
      const captured = await tx`
        select distinct tgrelid::regclass::text as table from pg_trigger where tgname like 'auditbox%' and tgrelid::regclass::text like 'shop.%'`;
      expect(captured.map(({ table }) => table)).toContain('shop.at_coordinator');
      expect(captured.map(({ table }) => table)).not.toContain('shop.spread');
      throw undo;
    }),
  ).rejects.toBe(undo);
  await owner`select auditbox.capture('shop.spread')`;
  await run(owner, `select auditbox.uncapture('shop.spread'); drop table shop.spread; drop table shop.at_coordinator`);
});

describe('the owner of a captured table', () => {
  test('cannot run code as the owner of Auditbox by a type with casts', async () => {
    await run(
      owner,
      `create type shop.evil as enum ('x');
       create function shop.who(v shop.evil) returns json language plpgsql as $$ begin raise exception 'ran as %', current_user; end $$;
       create function shop.who_text(v shop.evil) returns text language plpgsql as $$ begin raise exception 'ran as %', current_user; end $$;
       create cast (shop.evil as json) with function shop.who(shop.evil);
       create cast (shop.evil as text) with function shop.who_text(shop.evil) as implicit;`,
    );
    await capture('trap', 'id shop.evil primary key, v shop.evil, vs shop.evil[], c text');
    await run(owner, `insert into shop.trap values ('x', 'x', '{x}', 'c'); update shop.trap set c = 'd'`);
    expect(await lines()).toEqual([
      'created x {"id":"x","v":"x","vs":["x"],"c":"c"}',
      'updated x {"id":"x","v":"x","vs":["x"],"c":"c"} {"id":"x","v":"x","vs":["x"],"c":"d"}',
    ]);
    // The type of a column after its capture.
    await expect(run(owner, `alter table shop.trap alter c type shop.evil using 'x'`)).rejects.toThrow('trigger');
    await run(
      owner,
      `drop trigger auditbox_capture_columns on shop.trap; alter table shop.trap alter c type shop.evil using 'x'`,
    );
    await expect(run(owner, `update shop.trap set c = null`)).rejects.toMatchObject({ code: '42804' });
    await run(owner, `select auditbox.recapture('shop.trap'); update shop.trap set c = null`);
  });

  test('cannot run code as the owner of Auditbox by a temporary view with the name of the changed rows', async () => {
    await run(
      owner,
      `create table shop.bound (id int primary key); select auditbox.define_capture('shop.bound', '{}');
       create function shop.spy() returns int language plpgsql as $$ begin raise exception 'ran as %', current_user; end $$;
       create temp view new_rows as select shop.spy() as id; create temp view old_rows as select shop.spy() as id;
       grant select on pg_temp.new_rows, pg_temp.old_rows to public; grant usage on schema shop to public`,
    );
    const [row] = await db.sql<
      [{ name: string }]
    >`select function_name as name from auditbox.captured_table where table_name = 'bound'`;
    await run(
      owner,
      `create trigger t after insert or update or delete on shop.bound for each statement execute function auditbox.${row.name}()`,
    );
    for (const change of [
      'insert into shop.bound values (1)',
      'update shop.bound set id = 2',
      'delete from shop.bound',
    ])
      await expect(run(owner, change)).rejects.toThrow('was not made by a capture');
    await run(owner, `drop trigger t on shop.bound; select auditbox.capture('shop.bound')`);
    await run(owner, 'insert into shop.bound values (1); drop view pg_temp.new_rows, pg_temp.old_rows');
    expect(await lines()).toEqual(['created 1 {"id":1}']);
  });

  test('cannot run code as the owner of Auditbox by another type with the name of a captured one', async () => {
    await run(owner, `create domain shop.label as text; create type shop.level as enum ('low')`);
    await capture('relabelled', 'id int primary key, label shop.label, levels shop.level[], nested shop.label[]');
    await run(owner, `insert into shop.relabelled values (1, 'a', '{low}', '{b}')`);
    expect(await lines()).toEqual(['created 1 {"id":1,"label":"a","levels":["low"],"nested":["b"]}']);
    await run(
      owner,
      `drop trigger auditbox_capture_columns on shop.relabelled;
       alter table shop.relabelled alter label type text, alter nested type text[]; drop domain shop.label;
       create type shop.label as enum ('a', 'b');
       create function shop.label_to_json(shop.label) returns json language plpgsql as $$ begin raise exception 'ran as %', current_user; end $$;
       create cast (shop.label as json) with function shop.label_to_json(shop.label);
       alter table shop.relabelled alter label type shop.label using 'a'`,
    );
    await expect(run(owner, 'update shop.relabelled set id = 2')).rejects.toMatchObject({ code: '42804' });
    await run(
      owner,
      `select auditbox.recapture('shop.relabelled'); drop trigger auditbox_capture_columns on shop.relabelled;
       create function shop.level_to_words(shop.level) returns tsvector language plpgsql as $$ begin raise exception 'ran as %', current_user; end $$;
       create cast (shop.level as tsvector) with function shop.level_to_words(shop.level) as implicit;
       alter table shop.relabelled alter levels type shop.level using 'low'`,
    );
    await expect(run(owner, 'update shop.relabelled set id = 2')).rejects.toMatchObject({ code: '42804' });
  });

  test('cannot replace the function of another table by the choice of a name', async () => {
    const long = 'счета_клиентов_за_последний_год';
    await capture(`"${long}"`, 'id int primary key');
    await run(db.sql, `create schema rival authorization ${ownerName}`);
    await run(
      owner,
      `create table rival."${long}" (id int primary key, other int); select auditbox.capture('rival."${long}"');
       alter table shop."${long}" rename to was_captured; create table shop."${long}" (id int primary key, other int);
       select auditbox.capture('shop."${long}"'); insert into shop.was_captured values (1)`,
    );
    expect(await lines()).toEqual(['created 1 {"id":1}']);
  });

  test('cannot put the function on another table', async () => {
    await run(owner, 'create table shop.copy_of_item (id int primary key)');
    const [row] = await db.sql<
      [{ name: string }]
    >`select function_name as name from auditbox.captured_table where table_name = 'item'`;
    await expect(
      run(
        owner,
        `create trigger t after insert on shop.copy_of_item referencing new table as new_rows for each statement execute function auditbox.${row.name}()`,
      ),
    ).rejects.toMatchObject({ code: '42501' });
  });
});

test('a migration that would break the capture is refused, and a new column is recorded after the next capture', async () => {
  await capture('growing', 'id int primary key, a int');
  await expect(run(owner, 'alter table shop.growing drop column a')).rejects.toThrow('depend');
  await run(owner, `alter table shop.growing add b int; insert into shop.growing values (1, 1, 1)`);
  await run(owner, `select auditbox.recapture('shop.growing'); insert into shop.growing values (2, 2, 2)`);
  await run(
    owner,
    `begin; select auditbox.uncapture('shop.growing'); alter table shop.growing drop column a; select auditbox.capture('shop.growing'); commit`,
  );
  await run(owner, `insert into shop.growing values (3, 3)`);
  expect(await lines()).toEqual([
    'created 1 {"id":1,"a":1}',
    'created 2 {"id":2,"a":2,"b":2}',
    'created 3 {"id":3,"b":3}',
  ]);
});

test('a session in the role of a replica is recorded too', async () => {
  await capture('copied', 'id int primary key');
  await db.sql.begin(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx`insert into shop.copied values (1)`;
  });
  expect(await lines()).toEqual(['created 1 {"id":1}']);
});

test('uncapture ends the recording, and both are recorded', async () => {
  await capture('left_alone', 'id int primary key');
  await run(
    owner,
    `select auditbox.uncapture('shop.left_alone'); insert into shop.left_alone values (1); truncate shop.left_alone`,
  );
  expect(await lines()).toEqual([]);
  expect(
    await db.sql`select action, changed_by from auditbox.audit_log where table_name = 'auditbox.captured_table' and object_id = 'shop.left_alone' order by occurred_at`,
  ).toEqual([
    { action: 'created', changed_by: `db:${ownerName}` },
    { action: 'deleted', changed_by: `db:${ownerName}` },
  ]);
  expect(await db.sql`select from pg_proc where proname like 'capture_left_alone%'`).toEqual([]);
});

test('many rows in one statement keep their pairs, also after a plan for few rows', async () => {
  await capture('many', 'id int primary key, v int');
  await run(app, `insert into shop.many select n, n from generate_series(1, 2) n; update shop.many set v = v + 1`);
  await run(app, `insert into shop.many select n, n from generate_series(3, 20000) n`);
  await forget();
  await run(app, `update shop.many set id = id + 100000, v = -id`);
  const [row] = await db.sql<[{ events: number; wrong: number }]>`
    select count(*)::int as events, (count(*) filter (where a.updated_values ->> 'v' <> '-' || a.object_id
      or a.context ->> 'new_object_id' <> (a.object_id::int + 100000)::text))::int as wrong
    from auditbox.outbox o join auditbox.audit_log a on a.id = o.audit_id where o.id > ${String(seen)}::int8`;
  expect(row).toEqual({ events: 20_000, wrong: 0 });
});

const problems = async (table: string) =>
  (await findCaptureProblems(db)).filter((problem) => problem.table === table).map(({ says }) => says);

test('the check names what keeps changes from being recorded, and recapture repairs it', async () => {
  await capture('watched', 'id int primary key, a int');
  expect(await problems('shop.watched')).toEqual([]);
  await run(
    owner,
    `alter table shop.watched disable trigger auditbox_capture_update; alter table shop.watched enable trigger auditbox_capture_delete;
     drop trigger auditbox_capture_insert on shop.watched; alter table shop.watched add b int`,
  );
  expect(await problems('shop.watched')).toEqual([
    'the new column b of shop.watched is not recorded',
    'the trigger auditbox_capture_delete on shop.watched is not enabled always',
    'the trigger auditbox_capture_insert on shop.watched is missing',
    'the trigger auditbox_capture_update on shop.watched is disabled',
  ]);
  await run(owner, `select auditbox.recapture('shop.watched')`);
  expect(await problems('shop.watched')).toEqual([]);
  await run(owner, 'alter table shop.watched rename to renamed');
  expect(await problems('shop.watched')).toEqual(['the captured table shop.watched is named shop.renamed now']);
  await run(owner, 'alter table shop.renamed rename to watched');
});

test('the check names a partition that was made after the capture, and a function with another body', async () => {
  await run(owner, 'create table shop.reading_3 partition of shop.reading for values from (20) to (30)');
  expect(await problems('shop.reading')).toEqual(
    ['delete', 'insert', 'truncate', 'update'].map(
      (action) => `the trigger auditbox_capture_${action} on shop.reading_3 is missing`,
    ),
  );
  await run(owner, `select auditbox.recapture('shop.reading')`);
  const [row] = await db.sql<
    [{ name: string }]
  >`select function_name as name from auditbox.captured_table where table_name = 'reading'`;
  await run(
    db.sql,
    `create or replace function auditbox.${row.name}() returns trigger language plpgsql security definer as 'begin return null; end'`,
  );
  expect(await problems('shop.reading')).toEqual([`the function ${row.name} is not as its capture makes it`]);
  await run(owner, `select auditbox.recapture('shop.reading')`);
});

test('a renamed table keeps its capture: the check names it, and each of its commands follows the name', async () => {
  const remedies = async () => {
    const found = (await findCaptureProblems(db)).filter(({ says }) => /titled/.test(says));
    for (const { remedy } of found) await run(db.sql, remedy);
    return found.map(({ says }) => says);
  };
  await capture('titled', 'id int primary key, secret text', `, exclude => '{secret}'`);
  await run(owner, `alter table shop.titled rename to titled_2`);
  expect(await remedies()).toEqual(['the captured table shop.titled is named shop.titled_2 now']);
  await run(
    owner,
    `insert into shop.titled_2 values (1, 's'); alter table shop.titled_2 rename to titled_3;
     select auditbox.capture('shop.titled_3', exclude => '{secret}', name => 'third'); insert into shop.titled_3 values (2, 's')`,
  );
  expect((await recorded()).map(({ table_name, after }) => [table_name, after])).toEqual([
    ['shop.titled', '{"id":1}'],
    ['third', '{"id":2}'],
  ]);
  expect(await remedies()).toEqual([]);
  // With its schema.
  await run(
    db.sql,
    `create schema moved; alter table shop.titled_3 set schema moved; grant all on schema moved to ${ownerName}`,
  );
  expect(await remedies()).toEqual(['the captured table shop.titled_3 is named moved.titled_3 now']);
  await run(owner, `alter table moved.titled_3 rename to titled_4; select auditbox.uncapture('moved.titled_4')`);
  expect(await remedies()).toEqual([]);
  const changes = await db.sql`
    select a.action, a.object_id, a.context ->> 'new_object_id' as next
    from auditbox.outbox o join auditbox.audit_log a on a.id = o.audit_id
    where a.table_name = 'auditbox.captured_table' and a.object_id ~ 'titled' order by o.id`;
  expect(changes.map(({ action, object_id, next }) => [action, object_id, next].filter(Boolean).join(' '))).toEqual([
    'created shop.titled',
    'updated shop.titled shop.titled_2',
    'updated shop.titled_2',
    'updated shop.titled_2 shop.titled_3',
    'updated shop.titled_3',
    'updated shop.titled_3 moved.titled_3',
    'updated moved.titled_3',
    'updated moved.titled_3 moved.titled_4',
    'deleted moved.titled_4',
  ]);
});

test('a table whose name another one took over is still known to the check, and its capture can be ended', async () => {
  await capture('swapped', 'id int primary key');
  // As a migration does that copies a table.
  await run(owner, `alter table shop.swapped rename to swapped_old; create table shop.swapped (id int primary key)`);
  const found = async () => (await findCaptureProblems(db)).filter(({ table }) => table.startsWith('shop.swapped'));
  expect((await found()).map(({ says }) => says)).toContain(
    'the trigger auditbox_capture_insert on shop.swapped is missing',
  );
  await run(owner, `select auditbox.recapture('shop.swapped')`);
  expect((await found()).map(({ table }) => table)).toEqual(['shop.swapped_old']);
  await run(owner, `select auditbox.uncapture('shop.swapped_old')`);
  await run(owner, `insert into shop.swapped_old values (1); insert into shop.swapped values (2)`);
  expect(await lines()).toEqual(['created 2 {"id":2}']);
  expect(await found()).toEqual([]);
  // The other way round: the new table is captured first, and takes the name.
  await run(
    owner,
    `create table shop.swapped_new (id int primary key); select auditbox.capture('shop.swapped_new', name => 'new');
     drop table shop.swapped; alter table shop.swapped_new rename to swapped; select auditbox.recapture('shop.swapped')`,
  );
  expect(await found()).toEqual([]);
  await forget();
  await run(owner, `insert into shop.swapped values (3)`);
  expect((await recorded()).map(({ table_name }) => table_name)).toEqual(['new']);
});

test('a detached partition can be freed, a partition alone cannot, and the check says how to forget what was dropped', async () => {
  await capture('parted', 'id int, part int, primary key (id, part)) partition by list (part');
  await run(
    owner,
    `create table shop.parted_1 partition of shop.parted for values in (1);
     create table shop.parted_2 partition of shop.parted for values in (2); select auditbox.recapture('shop.parted')`,
  );
  await expect(owner`select auditbox.uncapture('shop.parted_1')`).rejects.toThrow(
    'shop.parted_1 is captured as a part of shop.parted',
  );
  await run(
    owner,
    `alter table shop.parted detach partition shop.parted_2; select auditbox.uncapture('shop.parted_2');
     insert into shop.parted_2 values (1, 2); insert into shop.parted values (1, 1)`,
  );
  expect(await lines()).toEqual(['created [1, 1] {"id":1,"part":1}']);
  await run(owner, `alter table shop.parted detach partition shop.parted_1; drop table shop.parted`);
  const found = async () => (await findCaptureProblems(db)).filter(({ table }) => table.startsWith('shop.parted'));
  const [missing] = await found();
  await run(db.sql, missing?.remedy ?? '');
  expect(await found()).toEqual([]);
  await expect(owner`select auditbox.uncapture('shop.parted_1')`).rejects.toThrow('shop.parted_1 is not captured');
});

test('the check names a table whose key lost its unique index, because several rows have one object id then', async () => {
  await capture('keyed', 'id int not null, "A b" int not null, unique (id, "A b")', `, key => '{id,A b}'`);
  const found = async () => (await findCaptureProblems(db)).filter(({ table }) => table === 'shop.keyed');
  expect(await found()).toEqual([]);
  await run(owner, `alter table shop.keyed drop constraint "keyed_id_A b_key"`);
  expect(await found()).toEqual([
    {
      table: 'shop.keyed',
      says: 'the key of shop.keyed does not name one row any more',
      remedy: 'give (id, "A b") a unique index, each column NOT NULL; or select auditbox.capture with another key',
    },
  ]);
  await run(owner, `create unique index on shop.keyed (id); alter table shop.keyed alter "A b" drop not null`);
  expect(await found()).toHaveLength(1);
  await run(owner, `alter table shop.keyed alter "A b" set not null`);
  expect(await found()).toEqual([]);
});

test('the check names a trigger that has a condition, or not the changed rows', async () => {
  await capture('conditional', 'id int primary key');
  // Without its next call the owner may use the function.
  await run(owner, `select auditbox.define_capture('shop.conditional', '{}')`);
  const [row] = await db.sql<
    [{ name: string }]
  >`select function_name as name from auditbox.captured_table where table_name = 'conditional'`;
  await run(
    owner,
    `create or replace trigger auditbox_capture_insert after insert on shop.conditional referencing new table as new_rows
       for each statement when (false) execute function auditbox.${row.name}();
     create or replace trigger auditbox_capture_delete after delete on shop.conditional
       for each statement execute function auditbox.${row.name}();
     alter table shop.conditional enable always trigger auditbox_capture_insert, enable always trigger auditbox_capture_delete;
     select auditbox.hide_capture('shop.conditional'); insert into shop.conditional values (1)`,
  );
  expect(await lines()).toEqual([]);
  expect(await problems('shop.conditional')).toEqual([
    'the trigger auditbox_capture_delete on shop.conditional is without the changed rows',
    'the trigger auditbox_capture_insert on shop.conditional is firing at other times',
  ]);
  await run(owner, `select auditbox.recapture('shop.conditional'); delete from shop.conditional`);
  expect(await problems('shop.conditional')).toEqual([]);
  expect(await lines()).toEqual(['deleted 1 {"id":1}']);
});

/** Runs `npm run capture` as the owner of the tables. */
async function cli(...args: string[]) {
  const url = new URL(db.url);
  url.username = ownerName;
  url.password = 'p';
  const command = spawnApp(new URL('../src/capture/main.ts', import.meta.url), { DATABASE_URL: url.href }, args);
  return { code: await command.ended, output: command.output() };
}

test('npm run capture adds, lists and removes', async () => {
  await run(
    owner,
    'create table shop.by_command (id int primary key, code text not null unique, secret text, seen int, note text)',
  );
  expect(await cli('add', 'shop.by_command', '--exclude', 'nothing')).toEqual({
    code: 1,
    output: 'shop.by_command: exclude has no column nothing\n',
  });
  const options = ['--mask', 'secret', '--ignore', 'seen', '--require-actor'];
  const more = ['--key', 'code', '--max-value', '64', '--on-truncate', 'record', '--name', 'named'];
  const added = await cli('add', 'shop.by_command', ...options, ...more, '--json');
  expect(added.code).toBe(0);
  expect(JSON.parse(added.output)).toMatchObject({ table: 'shop.by_command' });
  expect((await cli('list')).output).toContain(
    'shop.by_command  key code; mask secret; ignore seen; max-value 64; require-actor; on-truncate record; name named\n',
  );
  const insert = `insert into shop.by_command values (1, 'c-1', 'hidden', 7, repeat('x', 65))`;
  await expect(run(app, insert)).rejects.toMatchObject({ code: '42501' });
  await run(owner, `begin; select auditbox.as('ana'); ${insert}; truncate shop.by_command; commit`);
  expect(await lines()).toEqual([
    expect.stringMatching(
      /^created c-1 \{"id":1,"code":"c-1","secret":"\[redacted:secret\]","seen":7,"note":\{"length" : 65, "sha256" : "[0-9a-f]{64}"\}\}$/,
    ),
    'deleted *',
  ]);
  expect((await recorded()).map(({ table_name }) => table_name)).toEqual(['named', 'named']);
  await forget();
  expect(await cli('remove', 'by_command')).toEqual({ code: 1, output: 'Name the schema too: public.by_command\n' });
  const removed = await cli('remove', 'shop.by_command', '--json');
  expect(removed.code).toBe(0);
  expect(JSON.parse(removed.output)).toMatchObject({ table: 'shop.by_command' });
  await run(app, insert);
  expect(await lines()).toEqual([]);
});

test('a virtual column has no value in a trigger and is left out', async () => {
  const [row] = await db.sql<[{ version: number }]>`select current_setting('server_version_num')::int as version`;
  const kind = row.version >= 180_000 ? 'virtual' : 'stored';
  await capture('computed', `id int primary key, twice int generated always as (id * 2) ${kind}`);
  await run(app, 'insert into shop.computed values (1)');
  expect(await lines()).toEqual([kind === 'virtual' ? 'created 1 {"id":1}' : 'created 1 {"id":1,"twice":2}']);
});

test.each([
  [
    'drop trigger auditbox_capture_insert on shop.checked',
    'the trigger auditbox_capture_insert on shop.checked is missing',
  ],
  ['alter table shop.checked add b int', 'the new column b of shop.checked is not recorded'],
  [
    'alter table shop.checked disable trigger auditbox_capture_update',
    'the trigger auditbox_capture_update on shop.checked is disabled',
  ],
])('after %s, npm run capture -- check ends with 1 and names it', async (statement, problem) => {
  await capture('checked', 'id int primary key');
  const nothing = await cli('check');
  expect(nothing.output).not.toContain('shop.checked');
  await run(owner, statement);
  const { code, output } = await cli('check', '--json');
  expect(code).toBe(1);
  const problems: readonly { says: string }[] = JSON.parse(output);
  expect(problems.map(({ says }) => says)).toContainEqual(expect.stringContaining(problem));
  await run(owner, `select auditbox.recapture('shop.checked')`);
  expect((await cli('check')).output).toBe(nothing.output);
  await run(owner, `select auditbox.uncapture('shop.checked'); drop table shop.checked`);
});

test('the function of a captured table runs no text as SQL', async () => {
  const functions = await db.sql<{ name: string; body: string; language: string }[]>`
    select p.proname as name, p.prosrc as body, l.lanname as language
    from auditbox.captured_table t join pg_catalog.pg_proc p on p.proname = t.function_name
    join pg_catalog.pg_language l on l.oid = p.prolang
    where p.pronamespace = 'auditbox'::regnamespace order by 1`;
  expect(functions.length).toBeGreaterThan(10);
  for (const { name, body, language } of functions) {
    expect(language, name).toBe('plpgsql');
    // Names of columns and literals may hold the word.
    const code = body.replace(/--[^\n]*|'(?:[^']|'')*'|"(?:[^"]|"")*"/g, '');
    expect(code, name).toMatch(/\binsert\s+into\s+auditbox\.audit_log\b[^']*\bend\s*$/);
    expect(code, name).not.toMatch(/\b(?:execute|query_to_xml\w*|dblink\w*)\b/i);
  }
});
