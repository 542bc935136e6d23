import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createLineSorter, type LineSorter } from '../src/parquet/line-sorter.ts';

/* Lines are sorted on the disk. */

const { signal } = new AbortController();

let folder: string;
let sorter: LineSorter;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'auditbox-line-sorter-'));
  sorter = await createLineSorter(folder);
});
afterEach(async () => {
  await sorter.close();
  await rm(folder, { recursive: true });
});

interface Line {
  readonly key: string;
  readonly text: string;
}

const inOrder = (lines: readonly Line[]) =>
  lines.toSorted((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
const asFile = (lines: readonly Line[]) => lines.map(({ text }) => `${text}\n`).join('');

async function sort(lines: readonly Line[]): Promise<string> {
  await sorter.clear();
  for (const { key, text } of lines) sorter.add(key, text);
  return readFile(await sorter.sort(signal), 'utf8');
}

test('lines come out in the order of their keys, and those with equal keys as they were added', async () => {
  const line = fc.record({
    key: fc.string({ unit: fc.constantFrom('a', 'b', '7'), maxLength: 3 }),
    text: fc.string({ unit: 'binary' }).filter((text) => text.isWellFormed() && !text.includes('\n')),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 50 }), async (lines) => {
      expect(await sort(lines)).toBe(asFile(inOrder(lines)));
    }),
  );
});

test('the lines of several sorted objects are merged, also those longer than what is read at once', async () => {
  const lines = Array.from({ length: 6000 }, (_, n) => {
    const time = String((n % 1500) * 10 + Math.floor(n / 1500) * 3).padStart(6, '0');
    return { key: time, text: `${n} ${'é'.repeat(n % 1000 === 7 ? 1_500_000 : n % 700)}` };
  });
  expect((await sort(lines)) === asFile(inOrder(lines))).toBe(true);
});

test('what was added before is forgotten', async () => {
  sorter.add('1', 'old');
  expect(await sort([{ key: '2', text: 'new' }])).toBe('new\n');
  expect(await sort([])).toBe('');
});

test('its files are gone after it is closed', async () => {
  await sort([
    { key: '2', text: 'second' },
    { key: '1', text: 'first' },
  ]);
  expect(await readdir(folder)).toHaveLength(2);
  await sorter.close();
  expect(await readdir(folder)).toEqual([]);
  sorter = await createLineSorter(folder);
});

test('a sort that is stopped ends', async () => {
  for (let n = 0; n < 10; n += 1) sorter.add(String(9 - n), 'x'.repeat(500_000));
  const stop = new AbortController();
  const sorting = sorter.sort(stop.signal);
  stop.abort(new Error('Stopped.'));
  await expect(sorting).rejects.toThrow('Stopped.');
  expect(await sort([{ key: '1', text: 'next' }])).toBe('next\n');
});
