import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openTestDatabase, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { namesInMessage } from '../src/database/error-names.ts';
import { rules, type SqlText, withoutComments } from './distributed-forms.ts';

/* No new statement is written in a form that a distributed schema of Citus refuses, so that what works there goes on working. */

/** What breaks a rule today, by rule, and why it stays. A place that is fixed must leave the list. */
const known: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'an update or delete calls no volatile function': {
    seal: 'Citus runs seal_in_steps instead',
  },
  'VALUES of an insert have no subquery': { define_capture: 'tables are captured on plain Postgres alone' },
  'CASE and COALESCE of a change call no volatile function': {
    seal: 'as above',
    'archive/restore-object.ts': 'an archive is restored into plain Postgres',
    'migrate/run-steps.ts': 'the schema is distributed after it was migrated',
  },
};

const source = fileURLToPath(new URL('../src/', import.meta.url));
const migrations = fileURLToPath(new URL('../../../drizzle/', import.meta.url));

let db: TestDatabase;
let functions: SqlText[];
beforeAll(async () => {
  db = await openTestDatabase();
  functions = await db.sql<SqlText[]>`
    select p.proname as name, p.prosrc as text from pg_catalog.pg_proc p
    where p.pronamespace = 'auditbox'::regnamespace order by p.proname`;
});
afterAll(() => db.close(1_000));

/** Every file with statements. The doctor and the migrator ask catalogues, and do so on each node for itself. */
function listFiles(): SqlText[] {
  return readdirSync(source, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => ({ name, text: readFileSync(join(source, name), 'utf8') }));
}

test.each(rules)('$name', ({ name, find }) => {
  const found = [...functions, ...listFiles()].filter(({ text }) => find(withoutComments(text)).length > 0);
  expect(found.map((one) => one.name)).toEqual(Object.keys(known[name] ?? {}));
});

test.each(rules)(
  'the check "$name" finds the form that Citus refuses, and not the one that works',
  ({ find, ...rule }) => {
    expect(find(withoutComments(rule.wrong))).toHaveLength(1);
    expect(find(withoutComments(rule.right))).toEqual([]);
  },
);

test('each constraint that a function names is found by the message alone', () => {
  const raised = functions.flatMap(({ text }) =>
    [...text.matchAll(/raise exception '((?:[^']|'')*)'[^;]*?errcode = '(\w+)'[^;]*?constraint = '(\w+)'/g)].map(
      ([, message = '', condition = '', constraint]) => ({
        message: message.replaceAll('%', '0194f6a0-0000-7000-8000-000000000001'),
        code:
          { check_violation: '23514', unique_violation: '23505', exclusion_violation: '23P01' }[condition] ?? '55000',
        constraint,
      }),
    ),
  );
  expect(raised.length).toBeGreaterThan(10);
  for (const { code, message, constraint } of raised)
    expect(namesInMessage(code, message), message).toMatchObject({ constraint });
});

test.each([
  [
    '23505',
    'duplicate key value violates unique constraint "audit_log_2026_11_pkey_102096"',
    'audit_log_2026_11_pkey',
    null,
  ],
  ['23514', 'no partition of relation "audit_log_102082" found for row', null, 'audit_log'],
  [
    '23514',
    'new row for relation "audit_log_2026_07_102090" violates check constraint "audit_log_texts_fit_an_index"',
    'audit_log_texts_fit_an_index',
    'audit_log_2026_07',
  ],
  ['42501', 'recorded_at of x was given; the database sets it', null, null],
])('the message of a shard, %s %s, gives the names of the table', (code, message, constraint, table) => {
  expect(namesInMessage(code, message)).toEqual({ constraint, table, column: null });
});

test.each([
  [
    'the value updated_values.a b of x has a text with \\u0000 or half of a surrogate pair, which not every reader can read',
    'updated_values.a b',
  ],
  ['the value context of x nests deeper than 500 levels', 'context'],
  ['table_name of x is empty, or has a control, bidirectional or zero-width character', 'table_name'],
])('the message of a shard, %s, gives the place in the event', (message, column) => {
  expect(namesInMessage('23514', message)).toMatchObject({ column });
});

test('errors are read by their names in one place', () => {
  const readers = listFiles().filter(
    ({ text }) => /\b(constraint|table)_name\b(?!:)/.test(withoutComments(text)) && /PostgresError/.test(text),
  );
  expect(readers.map(({ name }) => name)).toEqual(['database/database-error.ts']);
});

test('a migration from 0030 on alters a table in steps that Citus takes', () => {
  const many =
    /alter\s+table[^;]*?\badd\s+constraint\b[^;]*?,\s*(?:add|drop|alter|validate)\b|alter\s+table[^;]*?,\s*add\s+constraint\b/i;
  const sample = 'alter table auditbox.api_key add constraint a check (true), alter column name set not null';
  expect(many.test(sample)).toBe(true);
  const newer = readdirSync(migrations).filter((name) => /^\d{4}.*\.sql$/.test(name) && name >= '0030');
  expect(newer.length).toBeGreaterThan(0);
  const wrong = newer.filter((name) => many.test(withoutComments(readFileSync(join(migrations, name), 'utf8'))));
  expect(wrong).toEqual([]);
});
