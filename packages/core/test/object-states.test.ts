import { createObjectHistory } from '@auditbox/core/history/object-states.ts';
import { expect, test } from 'vitest';

const event = (updated_values: unknown, before_value: unknown = null, action = 'updated') =>
  JSON.stringify({ action, before_value, updated_values });
const many = (from: number, count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`m${from + n}`, 0]));

test('after an update with too many members, changes are null until an event has the whole state', () => {
  const history = createObjectHistory(null);
  const changes = (text: string) => JSON.parse(history.addChanges(text)).changes;
  expect(changes(event({ a: 1 }))).toEqual([{ op: 'add', path: '', value: { a: 1 } }]);
  expect(changes(event({ a: 2 }))).toEqual([{ op: 'replace', path: '/a', value: 2 }]);
  expect(changes(event(many(0, 30_000)))).toBeNull();
  expect(changes(event({ a: 3 }))).toBeNull();
  expect(changes(event({ a: 4 }, { a: 3 }))).toEqual([{ op: 'replace', path: '/a', value: 4 }]);
  expect(changes(event({ a: 5 }))).toEqual([{ op: 'replace', path: '/a', value: 5 }]);
  history.skip(event(many(0, 30_000)));
  expect(changes(event({ a: 6 }, null, 'rotated'))).toBeNull();
  expect(changes(event({ a: 7 }))).toEqual([{ op: 'replace', path: '/a', value: 7 }]);
});

test('a state that many updates add to has an end', () => {
  const history = createObjectHistory(null);
  const add = (n: number) => JSON.parse(history.addChanges(event(many(n * 9_000, 9_000)))).changes?.length;
  history.skip(event({ a: 1 }));
  // After the sixth one the state has more than 50,000 members.
  const sizes = [9_000, 9_000, 9_000, 9_000, 9_000, 9_000, undefined, undefined];
  expect([0, 1, 2, 3, 4, 5, 6, 7].map(add)).toEqual(sizes);
});
