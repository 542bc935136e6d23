import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../../..');
const commands = 'apps/{exporter,archive}/src/**/*.ts,packages/{verify,db,embedded,cli}/src/**/*.ts'.split(
  /,(?=packages)/,
);
const nouns = 'batches|objects|checkpoints|events|rows|deliveries|records|entries|rejections|connections';
/** A limit, such as `maxEvents`, is never 1. */
const plural = new RegExp(
  String.raw`\$\{(?!max|most|counted)[^{}]+\} (?:(?:failed|rejected|sent|more) )?(?:${nouns})\b(?! between)`,
  'g',
);

test('no message of a command has a number before a plural that may be 1: counted() chooses the word', () => {
  const files = commands.flatMap((pattern) => globSync(pattern, { cwd: root }));
  expect(files.length).toBeGreaterThan(200);
  const found = files.flatMap((file) =>
    [...readFileSync(join(root, file), 'utf8').matchAll(plural)].map(({ 0: text }) => `${file}: ${text}`),
  );
  expect(found).toEqual([]);
});
