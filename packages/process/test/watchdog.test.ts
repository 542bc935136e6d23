import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const watchdog = fileURLToPath(new URL('../src/watchdog.ts', import.meta.url));

/**
 * Runs a process until its watchdog ends it, or until the watchdog has checked a hundred times, which is much more than
 * it needs. The checks are counted, not timed. Resolves to the exit code.
 */
function live(canary: string, answeredAt: string): Promise<number> {
  const script = `
    import { startWatchdog } from ${JSON.stringify(watchdog)};
    let checks = 0;
    const count = () => { if (++checks === 100) process.exit(0); };
    const watched = {
      canary: () => { count(); return ${canary}; },
      answeredAt: () => { count(); return ${answeredAt}; },
    };
    startWatchdog(watched, { everyMs: 10, deadlineMs: 300, logger: { fatal() {} } });
    process.stdin.resume();`;
  return new Promise((resolve) => {
    const child = execFile(process.execPath, ['--input-type=module', '-e', script], () =>
      resolve(child.exitCode ?? -1),
    );
  });
}

test.each([
  ['no statement is ever answered', 'new Promise(() => {})', '0', 70],
  ['the canary is answered', 'Promise.resolve()', '0', 0],
  ['the canary gets an error', "Promise.reject(new Error('down'))", '0', 0],
  ['only other statements are answered', 'new Promise(() => {})', 'performance.now()', 0],
])('when %s, the exit code is right', async (_what, canary, answeredAt, code) => {
  expect(await live(canary, answeredAt)).toBe(code);
});
