import { randomUUID } from 'node:crypto';
import { openTestDatabase, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import postgres, { type Sql } from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';

/* What a service that writes by SQL, as a member of auditbox_writer, may expect. */

let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase();
});
afterAll(() => db.close(1_000));

async function asWriter<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
  return db.sql.begin(async (tx) => {
    await tx`set local role auditbox_writer`;
    return work(tx as unknown as Sql);
  }) as Promise<T>;
}

const insert = (sql: Sql, id: string, at = '2026-07-15T00:00:00Z') => sql<{ id: string }[]>`
  insert into auditbox.audit_log (id, occurred_at, changed_by, action, table_name, object_id)
  values (${id}::uuid, ${at}::timestamptz, 'ana', 'updated', 't', '1')
  on conflict do nothing returning id`;

test('an insert returns the id, and again does nothing', async () => {
  const id = randomUUID();
  expect(await asWriter((sql) => insert(sql, id))).toEqual([{ id }]);
  expect(await asWriter((sql) => insert(sql, id))).toEqual([]);
  expect(await db.sql`select from auditbox.outbox where audit_id = ${id}`).toHaveLength(1);
});

test('an id that is taken at another time is a unique violation with a hint to record()', async () => {
  const id = randomUUID();
  await asWriter((sql) => insert(sql, id));
  await expect(asWriter((sql) => insert(sql, id, '2026-07-16T00:00:00Z'))).rejects.toMatchObject({
    code: '23505',
    constraint_name: 'outbox_audit_id',
    detail: id,
    hint: expect.stringContaining('auditbox.record(...)'),
  });
});

test('record() makes the month, is idempotent by id, and refuses another content', async () => {
  const id = randomUUID();
  const record = (objectId: string) =>
    asWriter(
      (sql) => sql<{ id: string }[]>`
        select auditbox.record('ana', 'updated', 't', ${objectId}, updated_at => now() - interval '200 days', id => ${id}::uuid) as id`,
    );
  const at = (await db.sql<{ at: string }[]>`select (now() - interval '200 days')::text as at`)[0]?.at ?? '';
  const again = (objectId: string) =>
    asWriter(
      (sql) => sql<{ id: string }[]>`
        select auditbox.record('ana', 'updated', 't', ${objectId}, updated_values => '{"a": 1}', updated_at => ${at}::timestamptz,
          id => ${id}::uuid) as id`,
    );
  expect(await again('1')).toEqual([{ id }]);
  expect(await again('1')).toEqual([{ id }]);
  await expect(again('2')).rejects.toMatchObject({ code: '23505', hint: expect.stringContaining('never changes') });
  await expect(record('1')).rejects.toMatchObject({ code: '23505' });
  expect(await db.sql`select from auditbox.audit_log where id = ${id}`).toHaveLength(1);
});

test('record() without an id or a time writes an event of now', async () => {
  const [row] = await asWriter(
    (sql) => sql<{ id: string }[]>`select auditbox.record('ana', 'updated', 't', 'fresh') as id`,
  );
  expect(
    await db.sql`select object_id, occurred_at = recorded_at as is_now from auditbox.audit_log where id = ${row?.id ?? ''}`,
  ).toEqual([{ object_id: 'fresh', is_now: true }]);
});

test.each([
  ['update auditbox.audit_log set action = action', '42501'],
  ['delete from auditbox.audit_log', '42501'],
  ['select changed_by from auditbox.audit_log', '42501'],
  [
    `insert into auditbox.audit_log (changed_by, action, table_name, object_id) values ('a', 'b', 'c', 'd') returning changed_by`,
    '42501',
  ],
  [
    'insert into auditbox.outbox (audit_id, occurred_at, recorded_at, bytes) values (gen_random_uuid(), now(), now(), 1)',
    '42501',
  ],
])('%s is refused', async (statement, code) => {
  await expect(asWriter((sql) => sql.unsafe(statement))).rejects.toMatchObject({ code });
});

test.each([
  '{"note":"a\\u0000b"}',
  '{"note":"\\ud800"}',
  '{"a":[1,{"note":"\\udc00x"}]}',
  // Without the escaped backslash between them, the two halves would be a pair.
  '{"note":"\\ud83d\\\\\\ude00"}',
  '{"note":"\\ud83d\\\\\\\\\\ude00"}',
])('the value %s is refused with its place', async (value) => {
  await expect(
    asWriter(
      (sql) => sql`
          insert into auditbox.audit_log (changed_by, action, table_name, object_id, updated_values)
          values ('ana', 'updated', 't', '1', ${value}::text::json)`,
    ),
  ).rejects.toMatchObject({
    constraint_name: 'audit_log_values_are_readable',
    column_name: expect.stringMatching(/^updated_values\.(note|a\[1\]\.note)$/),
  });
});

test('a backslash in front of what looks like an escape does not make a value unreadable', async () => {
  for (const value of ['{"note":"\\\\u0000"}', '{"note":"\\\\\\ud83d\\ude00"}', '{"note":"\\\\ud83d"}'])
    await asWriter((sql) => insertValue(sql, value, 'escaped'));
});

/** A value of `levels` levels. The strings hold brackets, a quote and a backslash. */
const nested = (levels: number) => '{"[\\"[\\\\":['.repeat(levels / 2) + ']}'.repeat(levels / 2);
const insertValue = (sql: Sql, value: string, table = 'nested') => sql`
  insert into auditbox.audit_log (changed_by, action, table_name, object_id, updated_values)
  values ('ana', 'updated', ${table}, '1', ${value}::text::json)`;

test('a value that nests so deeply that no query could look into it is refused, and one of 500 levels can be read', async () => {
  await asWriter((sql) => insertValue(sql, nested(500)));
  await asWriter((sql) => insertValue(sql, `[${Array(3_000).fill('{"a":"[[["}').join()}]`));
  for (const levels of [502, 5_000])
    await expect(asWriter((sql) => insertValue(sql, nested(levels)))).rejects.toMatchObject({
      code: '23514',
      constraint_name: 'audit_log_values_are_readable',
      column_name: 'updated_values',
      message: expect.stringContaining('nests deeper than 500 levels'),
    });
  // jsonb keeps only the last of two members with one name, and Postgres reads through both.
  await expect(
    asWriter((sql) => insertValue(sql, `{"a":${'['.repeat(600)}${']'.repeat(600)},"a":1}`)),
  ).rejects.toMatchObject({ code: '23514' });
  const found = await db.sql`
    select updated_values #>> '{a,b}' as at, auditbox.audit_words(null, updated_values, null) is null as words
    from auditbox.audit_log where table_name = 'nested'`;
  expect(found).toEqual([
    { at: null, words: false },
    { at: null, words: false },
  ]);
});

test.each([
  ['halves of surrogate pairs', '\\ude00'],
  ['halves behind pairs and backslashes', '\\ud83d\\ude00\\\\\\ud83d'],
])('a megabyte of %s is refused with its place before the deadline of a statement', async (_name, part) => {
  const value = `{"a":[1,{"note":"${part.repeat(1_000_000 / part.length)}"}]}`;
  await expect(
    asWriter(
      (sql) => sql`
        insert into auditbox.audit_log (changed_by, action, table_name, object_id, updated_values)
        values ('ana', 'updated', 't', '1', ${value}::text::json)`,
    ),
  ).rejects.toMatchObject({
    constraint_name: 'audit_log_values_are_readable',
    column_name: 'updated_values.a[1].note',
  });
});

test('pairs of surrogates and escaped backslashes in front of a u are stored as they came', async () => {
  const value = `{"note":"${'\\ud83d\\ude00\\\\ud83d\\\\\\\\u0000'.repeat(1_000)}"}`;
  const [row] = await asWriter(
    (sql) => sql`
      insert into auditbox.audit_log (changed_by, action, table_name, object_id, updated_values)
      values ('ana', 'updated', 't', '1', ${value}::text::json) returning id`,
  );
  expect(row?.id).toBeDefined();
});

test.each([
  [`occurred_at => '1969-12-31T00:00:00Z'`, '23514', ''],
  [`occurred_at => (now() + interval '10 minutes')::text`, '23514', 'audit_log_occurred_at_not_future'],
  [`occurred_at => '2001-02-03T00:00:00Z'`, '23514', ''],
  [`occurred_at_digits => 7`, '23514', 'audit_log_occurred_at_digits_in_range'],
  [`traceparent => repeat('x', 56)`, '22001', ''],
  [`changed_by => repeat('x', 2049)`, '23514', 'audit_log_texts_fit_an_index'],
  [`context => '[]'`, '23514', 'audit_log_context_is_an_object'],
  [`action => null`, '23502', ''],
  [`updated_values => '{'`, '22P02', ''],
  [`id => 'x'`, '22P02', ''],
])('an INSERT with %s fails with %s %s', async (argument, code, constraint) => {
  const [name = '', value = ''] = argument.split(' => ');
  const columns = { changed_by: `'ana'`, action: `'updated'`, table_name: `'t'`, object_id: `'1'`, [name]: value };
  const types: Record<string, string> = { occurred_at: '::timestamptz' };
  const text = Object.entries(columns).map(([column, of]) => `${of}${types[column] ?? ''}`);
  const statement = `insert into auditbox.audit_log (${Object.keys(columns).join(', ')}) values (${text.join(', ')})`;
  const error = await asWriter((sql) => sql.unsafe(statement)).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code });
  expect((error as { constraint_name?: string }).constraint_name ?? '').toBe(constraint);
});

test('an INSERT may return id and occurred_at, and give the digits of the time and the trace', async () => {
  const id = randomUUID();
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const returned = await asWriter(
    (sql) => sql`
      insert into auditbox.audit_log (id, occurred_at, occurred_at_digits, traceparent, changed_by, action, table_name, object_id)
      values (${id}::uuid, '2026-07-15T00:00:00.120Z', 3, ${traceparent}, 'ana', 'updated', 't', 'traced') returning id, occurred_at`,
  );
  expect(returned).toEqual([{ id, occurred_at: '2026-07-15 00:00:00.12+00' }]);
  expect(await db.sql`select occurred_at_digits, traceparent from auditbox.audit_log where id = ${id}::uuid`).toEqual([
    { occurred_at_digits: 3, traceparent },
  ]);
});

test('a time before 1970 is refused also where somebody made a partition for it', async () => {
  const attempt = db.sql.begin(async (tx) => {
    await tx.unsafe(
      `create table auditbox.audit_log_1969_12 partition of auditbox.audit_log
         for values from ('1969-12-01T00:00:00Z') to ('1970-01-01T00:00:00Z')`,
    );
    await tx`set local role auditbox_writer`;
    await insert(tx as unknown as Sql, randomUUID(), '1969-12-31T00:00:00Z');
  });
  await expect(attempt).rejects.toMatchObject({ code: '23514', constraint_name: 'audit_log_occurred_at_in_range' });
});

test('an action that AUDIT_ACTIONS does not have is stored by INSERT and by record()', async () => {
  await asWriter(
    (sql) => sql`insert into auditbox.audit_log (changed_by, action, table_name, object_id)
      values ('ana', 'exploded', 'any_action', '1')`,
  );
  await asWriter((sql) => sql`select auditbox.record('ana', 'imploded', 'any_action', '2')`);
  expect(
    await db.sql`select action from auditbox.audit_log where table_name = 'any_action' order by object_id`,
  ).toEqual([{ action: 'exploded' }, { action: 'imploded' }]);
});

test('what the writer gives for recorded_at is refused', async () => {
  await expect(
    asWriter(
      (sql) => sql`insert into auditbox.audit_log (changed_by, action, table_name, object_id, recorded_at)
        values ('ana', 'updated', 't', '1', now())`,
    ),
  ).rejects.toMatchObject({ code: '42501' });
});

test('an event that would fill the memory of an exporter is refused, and one of some megabytes is not', async () => {
  const insertOf = (bytes: number) =>
    asWriter(
      (sql) => sql`
        insert into auditbox.audit_log (changed_by, action, table_name, object_id, context)
        values ('ana', 'updated', 't', '1', json_build_object('a', repeat('x', ${bytes}::int)))`,
    );
  await insertOf(4_000_000);
  await expect(insertOf(16_777_216)).rejects.toMatchObject({ code: '23514', constraint_name: 'audit_log_event_fits' });
});

/** Calls `record` as a member of this role, with other arguments than a valid event has. */
async function failToRecord(given: Readonly<Record<string, string>>, role = 'auditbox_writer') {
  const valid = { changed_by: `'ana'`, action: `'updated'`, table_name: `'t'`, object_id: `'1'` };
  const named = Object.entries({ ...valid, ...given }).map(([name, value]) => `${name} => ${value}`);
  const attempt: Promise<unknown> = db.sql.begin(async (tx) => {
    await tx.unsafe(`set local role ${role}`);
    await tx.unsafe(`select auditbox.record(${named.join(', ')})`);
  });
  const error = await attempt.then(
    () => undefined,
    (reason: { code?: string; constraint_name?: string }) => reason,
  );
  return [error?.code, error?.constraint_name ?? ''];
}

test.each([
  [{ updated_at: `now() + interval '10 minutes'` }, '23514', 'audit_log_occurred_at_not_future'],
  [{ updated_at: `now() + interval '2 years'` }, '23514', ''],
  [{ changed_by: `repeat('x', 2049)` }, '23514', 'audit_log_texts_fit_an_index'],
  [{ context: `json_build_object('a', repeat('x', 16777216))` }, '23514', 'audit_log_event_fits'],
  [{ context: `'[]'` }, '23514', 'audit_log_context_is_an_object'],
  [{ updated_values: `'{"a":"\\u0000"}'` }, '23514', 'audit_log_values_are_readable'],
  [{ changed_by: `''` }, '23514', 'audit_log_names_are_plain'],
  [{ table_name: `e'a\\u200b'` }, '23514', 'audit_log_names_are_plain'],
  [{ action: 'null' }, '23502', ''],
  [{ updated_values: `'{'` }, '22P02', ''],
  [{ id: `'x'` }, '22P02', ''],
])('record() with %o fails with %s %s', async (given, code, constraint) => {
  expect(await failToRecord(given as Readonly<Record<string, string>>)).toEqual([code, constraint]);
});

test('record() refuses an event of more than 400 days ago to the login of a service', async () => {
  const service = postgres(urlAs('writer', db.url), { max: 1, onnotice: () => {} });
  try {
    await expect(
      service`select auditbox.record('ana', 'updated', 't', '1', updated_at => now() - interval '401 days')`,
    ).rejects.toMatchObject({ code: '23514', constraint_name: 'audit_log_occurred_at_too_old' });
  } finally {
    await service.end();
  }
});

test('record() is refused to a login without the right', async () => {
  expect(await failToRecord({}, 'auditbox_api')).toEqual(['42501', '']);
});

test('record() cannot compare a number that is too large for numeric', async () => {
  const given = { id: `'${randomUUID()}'`, updated_values: `'{"n":1e999999}'` };
  expect(await failToRecord(given)).toEqual([undefined, '']);
  expect(await failToRecord(given)).toEqual(['22003', '']);
});
