import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { createFilterMemory, createIdFilter } from '../src/objects/id-filter.ts';

const many = 200_000;
const group = (n: number, digits: number) => n.toString(16).padStart(digits, '0');

test.each([
  ['random ids', () => randomUUID()],
  ['ids that count up', (n: number) => `00000000-0000-4000-8000-${group(n, 12)}`],
  ['ids that differ in their first digits only', (n: number) => `${group(n, 8)}-0000-4000-8000-000000000000`],
  ['ids whose two halves are the same', (n: number) => `${group(n, 8)}-0000-4000-8000-0000${group(n, 8)}`],
])('of %s, each is known once it was added, in each thread, and none before', (_name, idOf) => {
  const memory = createFilterMemory();
  const [here, there] = [createIdFilter(memory), createIdFilter(memory)];
  const ids = Array.from({ length: many }, (_, n) => idOf(n));
  // So few ids leave the filter almost empty, so that none is taken for known by chance.
  expect(ids.filter((id) => here.add(id))).toEqual([]);
  expect(ids.filter((id) => !there.add(id))).toEqual([]);
});

test('two runs draw other words, so that nobody can choose ids that are taken for each other', () => {
  const words = () => new Int32Array(createFilterMemory(), 0, 64).join(' ');
  expect(words()).not.toBe(words());
});
