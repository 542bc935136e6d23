import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readKnownFile, rereadFiles } from '@auditbox/process/reread-files.ts';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

let folder: string;
let path: string;
let log: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'reread-'));
  path = join(folder, 'number');
  log = [];
  writeFileSync(path, '1');
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Makes a number of a file. */
function readNumber(checkMs?: number): () => number {
  return rereadFiles(
    {
      files: { file: readKnownFile(path) },
      made: 1,
      make({ file: { text } }) {
        if (Number.isNaN(Number(text))) throw new Error(`${text} is not a number.`);
        return Number(text);
      },
      onChange: () => log.push('changed'),
      onMistake: (error) => log.push((error as NodeJS.ErrnoException).code ?? (error as Error).message),
    },
    checkMs,
  );
}

test('a file that cannot be used or is gone leaves the former one in use, and each mistake is reported once', () => {
  const read = readNumber(0);
  for (const text of ['one', 'one', null, null, '1', 'one', '2', '2']) {
    if (text === null) rmSync(path, { force: true });
    else writeFileSync(path, text);
    expect(read()).toBe(text === '2' ? 2 : 1);
  }
  expect(log).toEqual(['one is not a number.', 'ENOENT', 'one is not a number.', 'changed']);
});

test('a mistake that lasts is reported again every hour', () => {
  const read = readNumber(0);
  const now = vi.spyOn(performance, 'now');
  rmSync(path);
  read();
  const later = performance.now() + 3_599_000;
  now.mockReturnValue(later);
  read();
  expect(log).toEqual(['ENOENT']);
  now.mockReturnValue(later + 2_000);
  read();
  expect(log).toEqual(['ENOENT', 'ENOENT']);
  now.mockRestore();
});

test('a file is not read again at once', () => {
  const read = readNumber(3_600_000);
  rmSync(path);
  expect(read()).toBe(1);
  expect(log).toEqual([]);
});
