import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';

/* How a process ends whose log nobody reads, or whose disk is full. */

const logger = new URL('../src/logger.ts', import.meta.url).href;

/** Logs lines and ends at once, when it is told to by its standard input. Resolves to the exit code and what it logged. */
async function endWith(prepare: (child: ReturnType<typeof spawn>) => void) {
  const script = `
    import { createLogger } from '${logger}';
    const logger = createLogger('it', 'info');
    process.stdin.once('data', () => {
      for (const line of ['first', 'second', 'last']) logger.info(line);
      process.exit(3);
    });`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', script]);
  let output = '';
  child.stdout.on('data', (part) => (output += part));
  prepare(child);
  child.stdin.end('go');
  const [code] = await once(child, 'close');
  return { code, output };
}

test('a process ends although the reader of its log is gone', async () => {
  expect(await endWith(({ stdout }) => stdout?.destroy())).toEqual({ code: 3, output: '' });
});

test('each line of right before the end is in the log', async () => {
  const { code, output } = await endWith(() => {});
  expect(code).toBe(3);
  // The first one is being written when the process ends, so it may come after the others.
  expect([...output.matchAll(/"msg":"(\w+)"/g)].map(([, line]) => line).sort()).toEqual(['first', 'last', 'second']);
});
