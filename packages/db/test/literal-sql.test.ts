import { literalSql, printLiteral } from '@auditbox/db/sql/literal-sql.ts';
import { openTestDatabase, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import fc from 'fast-check';
import type { Fragment } from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';

let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase();
});
afterAll(() => db.close(1_000));

const print = (fragment: unknown) => printLiteral(fragment as Fragment);

test.each(['on', 'off'])(
  'any text is the same text in Postgres, with standard_conforming_strings %s',
  async (setting) => {
    const hostile = ["'", "\\'", "''\\", "'; drop table x; --", '$1', '$$', '/*', 'a\nb', '\u0001\u0002', 'E\\x27'];
    const texts = [...hostile, ...fc.sample(fc.string({ unit: 'grapheme', maxLength: 30 }), 200)].filter(
      (text) => !text.includes('\0'),
    );
    const list = texts.map((text) => literalSql`(${text}::text)`).reduce((all, one) => literalSql`${all}, ${one}`);
    const rows = await db.sql.begin(async (tx) => {
      await tx.unsafe(`set local standard_conforming_strings = ${setting}`);
      return tx
        .unsafe<{ text: string }[]>(print(literalSql`select text from (values ${list}) as given (text)`))
        .simple();
    });
    expect(rows.map(({ text }) => text)).toEqual(texts);
  },
);

test('names, numbers, nested templates and raw SQL stand in the text; every other value is an error', () => {
  const inner = literalSql`a.${literalSql('changed_by')} = ${'ana'}`;
  const raw = literalSql.unsafe('order by 1') as unknown as Fragment;
  expect(print(literalSql`where ${inner} ${raw} limit ${5}`)).toBe(`where a."changed_by" = 'ana' order by 1 limit 5`);
  for (const bad of [null, undefined, 1.5, Number.NaN, {}, [], 'a\0b']) {
    expect(() => literalSql`select ${bad as string}`).toThrow(TypeError);
  }
  expect(() => literalSql('a"b')).toThrow(TypeError);
  expect(() => print(db.sql`select 1`)).toThrow(TypeError);
});
