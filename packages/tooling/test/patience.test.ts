import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';

/*
 * Tests run on machines that are slow and busy. A limit of time on the clock that is shorter than minutes fails there by chance.
 * The limits that end a hang are in vitest.config.ts, in `eventually` and in the fixture of the browser.
 */

const root = resolve(import.meta.dirname, '../../..');
const files = globSync('{apps,packages}/*/test/**/*.test.ts', { cwd: root });
const shortestMs = 300_000;

const forms: readonly (readonly [what: string, form: RegExp])[] = [
  ['a test or a wait with its own limit', /(?:^\s*\}, |\btimeout: )([\d_]+)(?=\)|,| \}| \+)/gm],
  ['a call that is aborted after a time', /AbortSignal\.timeout\(([\d_]+)\)/g],
  ['a time on the clock that is expected to be short', /expect\((?:performance|Date)\.now\(\) - \w+\)\.toBeLess()/g],
];

/** The end of a connection, and what must not come. */
const isMeant = (line: string) => /\.end\(\{ timeout: \d+ \}\)|gate\.enter\(/.test(line);

test('there are tests', () => {
  expect(files.length).toBeGreaterThan(100);
});

test.each(forms)('no test has %s of less than five minutes', (_what, form) => {
  const found = files.flatMap((file) =>
    readFileSync(join(root, file), 'utf8')
      .split('\n')
      .flatMap((line, index) =>
        isMeant(line) || ![...line.matchAll(form)].some(([, ms = '']) => Number(ms.replaceAll('_', '')) < shortestMs)
          ? []
          : [`${file}:${index + 1}: ${line.trim()}`],
      ),
  );
  expect(found).toEqual([]);
});
