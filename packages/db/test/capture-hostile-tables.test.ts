import { openTestDatabase, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';

/*
 * Tables that somebody made to break the capture: names that mean something to the function that is made for a table, types
 * of rows, columns that were dropped or are computed, and changes of a table while others write to it.
 */

let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase();
  await db.sql
    .unsafe(`
    create schema hostile;
    create type hostile."pair""of'rows" as (a text, "b%s" int[]);
    create domain hostile.short as varchar(20) check (value <> 'x');
    create type hostile.text as enum ('one', 'two')`)
    .simple();
});
afterAll(() => db.close(1_000));

/** Types of columns, with a value each. */
const types = [
  ['text', `'it''s'`],
  ['text', `repeat('ä', 300000)`],
  ['integer', '7'],
  ['numeric', '1.10'],
  ['json', `'{"a":"\\u0000","a":1.0}'`],
  ['jsonb', `'{"a":1}'`],
  ['bytea', `'\\x00ff'`],
  ['text[]', `'{a,NULL,"b,c"}'`],
  ['hostile."pair""of\'rows"', `row('q', '{1,2}')`],
  ['hostile."pair""of\'rows"[]', `array[row('q', '{1}')::hostile."pair""of'rows"]`],
  ['hostile.short', `'s'`],
  ['hostile.text', `'two'`],
  ['int4range', `'[1,3)'`],
  ['tstzrange', `'[2026-07-01,)'`],
  ['timestamptz', `'infinity'`],
  ['interval', `'1 mon -2 days'`],
  ['xid8', `'9'`],
  ['oid', `'9'`],
  ['regclass', `'pg_class'`],
  ['name', `'n'`],
  ['"char"', `'c'`],
  ['bit(3)', `'101'`],
  ['money', `'1.00'`],
  ['tsvector', `'a b'`],
  ['point', `'(1,2)'`],
  ['xml', `'<a/>'`],
  ['boolean', 'null'],
] as const;

const names = [
  ...['n', 'o', 'r', 'w', 'e', 'ov', 'nv', 'whole', 'the values', 'place of the pair', 'new_rows', 'old_rows', 'tg_op'],
  ...[
    'actor',
    'api_key',
    'given',
    'context',
    'happened_at',
    'row_count',
    'is_same',
    'id',
    'occurred_at',
    'updated_values',
  ],
  ...[
    '%',
    '%1$s',
    '%L',
    '@',
    '$body$',
    '$$',
    '"',
    `'`,
    `');--`,
    '\\',
    '<',
    '*',
    ' ',
    'ä',
    '😀',
    'new_rows n',
    'select',
    'record',
  ],
];
const table = fc.record({
  name: fc.constantFrom(...names),
  columns: fc.uniqueArray(fc.tuple(fc.constantFrom(...names), fc.constantFrom(...types)), {
    minLength: 1,
    maxLength: 6,
    selector: ([name]) => name,
  }),
  isDropped: fc.boolean(),
  maxValue: fc.constantFrom(64, 1_000_000),
});
const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;

test('each change of a table with any names and types is one event with every column', async () => {
  let made = 0;
  const property = fc.asyncProperty(table, async ({ name, columns, isDropped, maxValue }) => {
    made += 1;
    const key = `key ${made}`;
    const of = `hostile.${quoted(`${name}${made}`)}`;
    const list = columns.map(([column, [type]]) => `${quoted(column)} ${type}`);
    const values = columns.map(([, [, value]]) => value);
    const computed = 'computed';
    await db.sql
      .unsafe(`
      create table ${of} (gone int, ${quoted(key)} int primary key, ${list.join(', ')},
        ${computed} int generated always as (${quoted(key)} * 2) stored);
      ${isDropped ? `alter table ${of} drop column gone` : ''}`)
      .simple();
    const target = of.replaceAll("'", "''");
    await db.sql.unsafe(`select auditbox.capture('${target}', max_value => ${maxValue}, name => 'hostile-${made}')`);
    const into = `(${quoted(key)}, ${columns.map(([column]) => quoted(column)).join(', ')})`;
    await db.sql
      .unsafe(`
      insert into ${of} ${into} values (1, ${values.join(', ')});
      update ${of} set ${quoted(key)} = 2;
      insert into ${of} ${into} values (3, ${values.join(', ')}), (4, ${values.join(', ')});
      update ${of} set ${quoted(key)} = -${quoted(key)};
      delete from ${of}`)
      .simple();
    const events = await db.sql<{ action: string; before: string | null; after: string | null }[]>`
      select action, before_value::text as before, updated_values::text as after from auditbox.audit_log
      where table_name = ${`hostile-${made}`}`;
    const counts = Object.groupBy(events, ({ action }) => action);
    expect(['created', 'updated', 'deleted'].map((action) => counts[action]?.length)).toEqual([3, 4, 3]);
    const expected = [...(isDropped ? [] : ['gone']), key, ...columns.map(([column]) => column), computed].sort();
    for (const { before, after } of events)
      for (const value of [before, after])
        if (value !== null) expect(Object.keys(JSON.parse(value)).sort()).toEqual(expected);
    await db.sql.unsafe(`drop table ${of}`);
  });
  await fc.assert(property, { numRuns: 60 });
});

test('a table that changes while others write to it loses no change: a write is recorded or fails', async () => {
  await db.sql.unsafe(`create table hostile.moving (id int primary key, a text);`).simple();
  await db.sql`select auditbox.capture('hostile.moving', name => 'moving')`;
  let [written, isOver] = [0, false];
  const write = async (first: number) => {
    for (let id = first; !isOver; id += 2)
      await db.sql.unsafe(`insert into hostile.moving (id) values (${id})`).then(
        () => {
          written += 1;
        },
        // A column has another type than at the capture, or has gone.
        () => {},
      );
  };
  const change = async () => {
    for (let n = 0; n < 15; n += 1) {
      await db.sql.unsafe(`alter table hostile.moving add column "x${n}" text default 'd'`);
      await db.sql`select auditbox.recapture('hostile.moving')`;
      await db.sql.unsafe(`alter table hostile.moving alter column "x${n}" type varchar(${n + 5})`).catch(() => {});
      await db.sql`select auditbox.recapture('hostile.moving')`;
      await db.sql.unsafe(`alter table hostile.moving rename column "x${n}" to "y${n}"`);
      await db.sql`select auditbox.recapture('hostile.moving')`;
    }
    isOver = true;
  };
  await Promise.all([write(1), write(2), change()]);
  const [{ rows, events }] = await db.sql<[{ rows: number; events: number }]>`
    select (select count(*)::int from hostile.moving) as rows,
      (select count(distinct object_id)::int from auditbox.audit_log where table_name = 'moving' and action = 'created') as events`;
  expect(rows).toBe(written);
  expect(written).toBeGreaterThan(10);
  expect(events).toBe(rows);
});
