import {
  type CellAddress,
  isSamePlace,
  parseCells,
  parseFormerCells,
  placeCells,
} from '@auditbox/core/cells/cell-list.ts';
import { expect, test } from 'vitest';

const url = 'postgres://api:hunter2@db1/audit';
const read = (text: string, schema = 'auditbox') => placeCells(parseCells(text), schema);

test.each<[string, Partial<CellAddress>]>([
  [`ash=${url}`, { name: 'ash', url, schema: 'auditbox', takesEvents: true }],
  [`ash@cell_ash=${url}`, { name: 'ash', url, schema: 'cell_ash', takesEvents: true }],
  [`birch=postgres://db2/a ash:read=${url}`, { name: 'ash', url, schema: 'auditbox', takesEvents: false }],
  [`birch=postgres://db2/a ash@_1:read=${url}`, { name: 'ash', url, schema: '_1', takesEvents: false }],
  [`ash@read=${url}`, { schema: 'read', takesEvents: true }],
  [`ash@${'a'.repeat(63)}=${url}`, { schema: 'a'.repeat(63) }],
  // What the URL says of a schema is for Prisma, and a `#` may be in a password.
  [`ash@b=${url}?schema=c`, { url: `${url}?schema=c`, schema: 'b' }],
  ['ash@b=postgres://u:a@b#c=d@h/e', { url: 'postgres://u:a@b#c=d@h/e', schema: 'b' }],
])('%s is understood', (text, expected) => {
  expect(read(text).find(({ name }) => name === 'ash')).toMatchObject(expected);
});

test('a cell without a schema has that of DATABASE_SCHEMA, and cells of one database are told apart by their schemas', () => {
  const cells = read(`ash=${url}\n birch@cell_b=${url} cedar=postgres://api@db2/audit`, 'shared');
  expect(cells.map(({ name, schema }) => [name, schema])).toEqual([
    ['ash', 'shared'],
    ['birch', 'cell_b'],
    ['cedar', 'shared'],
  ]);
  expect(parseFormerCells('ash; ash birch', cells)).toEqual([['ash'], ['ash', 'birch']]);
});

const sameAs = (a: string, b: string) => `the cells ${a} and ${b} are the same database and schema.`;

test.each([
  [`a=${url} b=${url}`, sameAs('a', 'b')],
  [`a@x=${url} b@x=${url}`, sameAs('a', 'b')],
  [`a@x=${url} b@x=postgres://other:hunter2@db1:5432/audit?prepare=false`, sameAs('a', 'b')],
  // One of them has the schema of DATABASE_SCHEMA.
  [`a=${url} b@y=${url} c@auditbox=${url}`, sameAs('a', 'c')],
  [`a=${url}?schema=x b=${url}?schema=y`, 'For a cell in another schema write name@schema=url.'],
  [`a@=${url}`, 'entry 1 has no valid schema behind its `@`; it must be a name of at most 63 lower-case letters'],
  [`a@:read=${url} b=postgres://db2/b`, 'entry 1 has no valid schema'],
  [`a@Cell=${url}`, 'entry 1 has no valid schema'],
  [`a@pg_a=${url}`, 'entry 1 has no valid schema'],
  [`a@1a=${url}`, 'entry 1 has no valid schema'],
  [`a@b-c=${url}`, 'entry 1 has no valid schema'],
  [`a@b@c=${url}`, 'entry 1 has no valid schema'],
  [`a@${'b'.repeat(64)}=${url}`, 'entry 1 has no valid schema'],
  // A password where a schema is expected is not shown.
  [`a@hunter2-=${url}`, 'entry 1 has no valid schema'],
  // A blank in the password of a URL without a path.
  ['a=postgres://u:1 hunter2@db1?sslmode=require', 'entry 2 has no valid schema'],
  ['a=postgres://u:1 hunter2:x@db1?sslmode=require', 'entry 2 has something else than `:read` behind its name.'],
  [`a:read@x=${url}`, 'With a schema it is name@schema:read=url.'],
  [`a:x=${url}`, 'entry 1 has something else than `:read` behind its name.'],
  [`a@x:read:y=${url}`, 'entry 1 has something else than `:read` behind its name.'],
  [`@x=${url}`, 'entry 1 has no valid name'],
  [`a=${url} postgres://hunter2@db1/audit?prepare=false`, 'entry 2 has no valid name'],
  [`a=${url} a@x=${url}`, 'it has two cells with the name a.'],
  [`a@x:read=${url}`, 'no cell takes events; each has `:read`.'],
  [`a=${url}#x`, 'the URL of the cell a: its host, port or database has a character that does not belong there'],
  ['a@x', 'entry 1 has no `=` behind its name'],
])('%s is refused, without a password', (text, sentence) => {
  expect(() => read(text)).toThrow(sentence);
  expect(() => read(text)).not.toThrow('hunter2');
});

test('lists of before have names alone', () => {
  const cells = read(`ash@x=${url}`);
  expect(() => parseFormerCells('ash@x', cells)).toThrow('it must hold names of cells, without schemas and URLs.');
});

test('a place is the servers, the database and the schema, whatever the login is', () => {
  const place = { url, schema: 'x' };
  expect(isSamePlace(place, { url: 'postgresql://ana@db1:5432/audit', schema: 'x' })).toBe(true);
  expect(isSamePlace(place, { url, schema: 'y' })).toBe(false);
  expect(isSamePlace(place, { url: 'postgres://api@db1/other', schema: 'x' })).toBe(false);
  expect(isSamePlace(place, { url: 'postgres://api@DB1/audit', schema: 'x' })).toBe(true);
  // Without a database the URL leads to the one that has the name of the login.
  expect(isSamePlace(place, { url: 'postgres://audit@db1', schema: 'x' })).toBe(true);
  expect(isSamePlace(place, { url: 'postgres://api@db1', schema: 'x' })).toBe(false);
  const [ash, birch] = ['ash', 'birch'].map((login) => ({ url: `postgres://${login}@db1`, schema: 'x' })) as [
    typeof place,
    typeof place,
  ];
  expect(isSamePlace(ash, birch)).toBe(false);
});
