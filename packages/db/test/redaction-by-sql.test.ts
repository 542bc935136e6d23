import { hash, randomUUID } from 'node:crypto';
import type { NewAuditEvent } from '@auditbox/core/event/audit-event.ts';
import type { JsonText } from '@auditbox/core/json/json-text.ts';
import { createAssignedRules } from '@auditbox/core/redact/assigned-secrets.ts';
import { createRedactor } from '@auditbox/core/redact/redact-event.ts';
import { valueRules } from '@auditbox/core/redact/secret-values.ts';
import { finish } from '@auditbox/core/steps.ts';
import { leakyJson, leakyText } from '@auditbox/testing/fixtures/planted-secrets.ts';
import { openTestDatabase, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import fc from 'fast-check';
import postgres, { type Sql } from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { breaks, redactionFunctions } from '../generate/redaction-functions.ts';

/* Secrets in events that a service writes by `auditbox.record`. The api does the same before it writes. */

let db: TestDatabase;
let writer: Sql;
beforeAll(async () => {
  db = await openTestDatabase();
  writer = postgres(urlAs('writer', db.url), { max: 1, onnotice: () => {} });
});
afterAll(() => Promise.all([writer.end(), db.close(1_000)]));

const redactor = createRedactor({
  names: [],
  prefixes: [],
  skippedKinds: [],
  digest: null,
  sha256: (text) => hash('sha256', text),
});

interface Given {
  readonly texts: readonly string[];
  readonly values: readonly (string | null)[];
}

function redactAsTheApi({ texts, values }: Given) {
  const [changedBy = '', changedByApiKey = '', action = '', tableName = '', objectId = ''] = texts;
  const [beforeValue = null, updatedValues = null, context = null] = values as (JsonText | null)[];
  const given = { changedBy, changedByApiKey, action, tableName, objectId, beforeValue, updatedValues, context };
  const { event, redacted } = finish(redactor.redactEvent({ ...given, tenant: '' } as NewAuditEvent));
  return {
    texts: [event.changedBy, event.changedByApiKey, event.action, event.tableName, event.objectId],
    values: [event.beforeValue, event.updatedValues, event.context],
    redacted,
  };
}

/** What the functions of `record` make of events, and whether its first look lets them through. */
async function redactBySql(events: readonly Given[]) {
  return db.sql<(ReturnType<typeof redactAsTheApi> & { mayHold: boolean })[]>`
    select to_json(r.texts) as texts, to_json(r.vals::text[]) as values, r.redacted::text,
      auditbox.may_hold_secret(array_to_string(e.texts, e'\n'), array_to_string(e.values, e'\n'),
        auditbox.plain_names(array_to_string(e.values, e'\n'))) as "mayHold"
    from (
      select array(select t from json_array_elements_text(each -> 'texts') with ordinality as x (t, n) order by n) as texts,
        array(select v from json_array_elements_text(each -> 'values') with ordinality as x (v, n) order by n) as values, place
      from json_array_elements(${JSON.stringify(events)}::text::json) with ordinality as given (each, place)
    ) e cross join lateral auditbox.redact_event(e.texts, e.values::json[]) r
    order by e.place`;
}

test('the functions hold the names and forms of the api: run print-redaction.ts for a new migration', async () => {
  const definitions = (sql: Sql) => sql<{ text: string }[]>`
    select pg_get_functiondef(p.oid) as text from pg_catalog.pg_proc p
    where p.pronamespace = 'auditbox'::regnamespace order by p.oid::regprocedure::text`;
  const before = await definitions(db.sql);
  const after = await db.sql
    .begin(async (tx) => {
      for (const statement of redactionFunctions) await tx.unsafe(statement);
      throw await definitions(tx as unknown as Sql);
    })
    .catch((thrown: unknown) => thrown);
  expect(after).toEqual(before);
});

test('what record() stores of any event is what the api stores of it', async () => {
  let secrets = 0;
  let clean = 0;
  const text = fc.oneof({ arbitrary: fc.constant('ana'), weight: 9 }, { arbitrary: leakyText, weight: 1 });
  const value = fc.option(leakyJson, { freq: 2 });
  const event = fc.record({
    texts: fc.tuple(text, text, text, text, text),
    values: fc.tuple(value, value, value),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 40 }), async (events) => {
      const found = await redactBySql(events);
      for (const [index, { mayHold, ...row }] of found.entries()) {
        const expected = redactAsTheApi(events[index] as Given);
        expect(row).toEqual(expected);
        if (expected.redacted !== null) {
          secrets += 1;
          expect(mayHold, JSON.stringify(events[index])).toBe(true);
        } else if (!mayHold) {
          clean += 1;
        }
      }
    }),
    { numRuns: 200 },
  );
  expect(Math.min(secrets, clean)).toBeGreaterThan(100);
});

/** Between secrets: runs that are longer than a window of `redact_forms`, and shorter. */
const filler = fc
  .tuple(
    fc.constantFrom(
      ' ',
      'a',
      'B9',
      '=',
      '-',
      ',',
      '\\',
      '日',
      'of words, ',
      '\n',
      'a@',
      '"',
      '\ue000',
      ' KEY',
      'Bearer ',
    ),
    fc.oneof(fc.nat(150), fc.nat(5_000)),
  )
  .map(([one, length]) => one.repeat(length / one.length));

test('secrets in a long text are replaced as in a short one', async () => {
  let secrets = 0;
  const long = fc
    .tuple(fc.array(fc.oneof(leakyText, filler), { minLength: 4, maxLength: 60 }), fc.nat(4))
    .map(([all, times]) => all.join('').repeat(times + 1));
  await fc.assert(
    fc.asyncProperty(long, async (text) => {
      const [row] = await db.sql<[{ found: string | null }]>`select auditbox.redact_forms(${text}) as found`;
      const { texts, redacted } = redactAsTheApi({ texts: ['', '', '', text], values: [] });
      if (redacted !== null) secrets += 1;
      expect(row.found ?? text).toBe(texts[3]);
    }),
    { numRuns: 50 },
  );
  expect(secrets).toBeGreaterThan(10);
});

test('no run of a match holds what ends a window', () => {
  const characters = Array.from({ length: 0x10000 }, (_, code) => String.fromCharCode(code)).join('');
  const listSources = (isAddress: boolean) =>
    valueRules
      .filter(({ beginnings }) => beginnings.includes('://') === isAddress)
      .map(({ before = '', secret }) => before + secret);
  for (const [sources, ends] of [
    [listSources(false), breaks.usual],
    [listSources(true), breaks.withAddress],
    [[createAssignedRules([]).pattern], breaks.assigned],
  ] as const)
    for (const source of sources) {
      // Escapes; sets of characters, with what repeats them without a limit; and all else that is repeated so.
      const parts = source.matchAll(/\\[\s\S]|(\[(?:\\.|[^\]\\])+\])([*+]|\{\d+,\})?|([*+]|\{\d+,\})/g);
      for (const [, set, isRun, repeatsOther] of parts) {
        expect(repeatsOther, source).toBeUndefined();
        if (isRun) expect(new RegExp(`(?=${set})${ends}`, 'i').exec(characters), `${set} in ${source}`).toBeNull();
      }
    }
});

test('a text of 256 KiB that consists of secrets takes no longer than a statement may', async () => {
  for (const one of ['sk-A1b2C3d4E5f6G7h8,', 'api_key=hunter2-x&', 'redis://:p-w0rd!@cache:6379 ']) {
    const text = one.repeat(262_144 / one.length);
    const [row] = await db.sql<[{ found: string }]>`select auditbox.redact_forms(${text}) as found`;
    expect(row.found).toBe(redactAsTheApi({ texts: ['', '', '', text], values: [] }).texts[3]);
  }
});

/** The arguments of `record` that hold JSON, by name. */
type Values = Partial<Record<'before_value' | 'updated_values' | 'context', string>>;

async function record(objectId: string, values: Values, id: string = randomUUID(), changedBy = 'ana'): Promise<string> {
  const { before_value = null, updated_values = null, context = null } = values;
  const [row] = await writer<{ id: string }[]>`
    select auditbox.record(${changedBy}, 'updated', 't', ${objectId}, ${updated_values}::text::json, ${before_value}::text::json,
      ${context}::text::json, id => ${id}::uuid) as id`;
  return row?.id ?? '';
}

const stored = async (id: string) =>
  (
    await db.sql`
      select changed_by, object_id, before_value::text, updated_values::text, context::text, redacted::text, recorded_by
      from auditbox.audit_log where id = ${id}::uuid`
  )[0];

const key = 'sk-A1b2C3d4E5f6G7h8I9j0';

test('record() replaces what the api replaces, says where, and leaves every other character', async () => {
  const id = await record(
    key,
    {
      before_value: ' {"n" : 1.10, "api_key" :\t"hunter2", "list": [1, {"pin":1234}],"b":1e2 }\n',
      updated_values: JSON.stringify(`{"token": "${'0f'.repeat(32)}", "password": "hunter2", "n": 1.0}`),
      context: `{"note":"Bearer ${key.repeat(2)}, \\u00fc","${key}":{"key_name":"sk-...9f2c"},"secrets":{"a":[1,{}]},"password":null}`,
    },
    undefined,
    `ana with ${key}`,
  );
  expect(await stored(id)).toEqual({
    changed_by: 'ana with [redacted:api-key]',
    object_id: hash('sha256', key),
    before_value:
      ' {"n" : 1.10, "api_key" :\t"[redacted:api-key]", "list": [1, {"pin":"[redacted:password]"}],"b":1e2 }\n',
    updated_values: JSON.stringify(`{"token": "${'0f'.repeat(32)}", "password": "[redacted:password]", "n": 1.0}`),
    context:
      '{"note":"Bearer [redacted:authorization], ü","[redacted:api-key]":{"key_name":"sk-...9f2c"},"secrets":"[redacted:secret]","password":null}',
    redacted:
      '["/changed_by","/object_id","/before_value/api_key","/before_value/list/1/pin","/updated_values","/context/note","/context/[redacted:api-key]","/context/secrets"]',
    recorded_by: 'sql:test_writer',
  });
});

test('the same id with the secret again is the same event, and with another secret it is refused', async () => {
  const id = await record('1', { updated_values: '{"password":"hunter2","n":1e999999}' });
  expect(await record('1', { updated_values: '{ "password": "hunter2", "n": 1e999999 }' }, id)).toBe(id);
  for (const [objectId, password] of [
    ['1', 'hunter3'],
    ['1', '[redacted:password]'],
    ['2', 'hunter2'],
  ] as const)
    await expect(
      record(objectId, { updated_values: `{"password":"${password}","n":1e999999}` }, id),
    ).rejects.toMatchObject({ code: '23505', hint: expect.stringContaining('never changes') });
});

test('an event that was stored with its secret is found again', async () => {
  const id = randomUUID();
  await writer`
    insert into auditbox.audit_log (id, changed_by, action, table_name, object_id, updated_values)
    values (${id}::uuid, 'ana', 'updated', 't', '1', '{"password": "hunter2"}')`;
  expect(await record('1', { updated_values: '{"password":"hunter2"}' }, id)).toBe(id);
  await expect(record('1', { updated_values: '{"password":"hunter3"}' }, id)).rejects.toMatchObject({ code: '23505' });
});

test.each([
  ['a text with U+0000', '{"password":"x1","note":"a\\u0000b"}', 'updated_values.note'],
  ['a name with half of a pair', `{"\\udc00":"${key}"}`, 'updated_values'],
  ['502 levels', `${'{"a":['.repeat(251)}{"pin":1}${']}'.repeat(251)}`, 'updated_values'],
])('record() refuses a value with %s, whatever secrets it holds', async (_what, value, column) => {
  await expect(record('1', { updated_values: value })).rejects.toMatchObject({
    code: '23514',
    constraint_name: 'audit_log_values_are_readable',
    column_name: column,
  });
});

test('JSON text in a text may hold what Postgres cannot read, also next to a secret', async () => {
  const inner = `{"password":"hunter2","a":"\\u0000","b":"\\uD800","c":"\\u0000 ${key} \\udc00\\ud83d\\ude00\\udbff","d\\udfff ${key}":1}`;
  const { updated_values: value } = (await stored(await record('1', { updated_values: JSON.stringify(inner) }))) ?? {};
  expect(JSON.parse(value)).toBe(
    inner
      .replace('hunter2', '[redacted:password]')
      .replaceAll(key, '[redacted:api-key]')
      .replace('\\ud83d\\ude00', '😀'),
  );
});

test('a character for private use stays next to a secret', async () => {
  const value = JSON.stringify({ a: `\u{10d800} \u{10e000} ${key}` });
  expect(await stored(await record('1', { updated_values: value }))).toMatchObject({
    updated_values: value.replace(key, '[redacted:api-key]'),
  });
});

test('many secrets do not make the value or the list of places large', async () => {
  const of = (count: number) => `[${Array.from({ length: count }, () => '{"pin":1}').join()}]`;
  const few = await stored(await record('1', { updated_values: of(200) }));
  expect(few).toMatchObject({
    updated_values: of(200).replaceAll('1', '"[redacted:password]"'),
    redacted: '["/updated_values"]',
  });
  expect(await stored(await record('1', { updated_values: of(20_000) }))).toMatchObject({
    updated_values: '"[redacted:many]"',
    redacted: '["/updated_values"]',
  });
});
