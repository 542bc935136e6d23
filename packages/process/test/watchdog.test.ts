import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const watchdog = fileURLToPath(new URL('../src/watchdog.ts', import.meta.url));

/**
 * Runs a process with a watchdog until it bites, or until it has looked so often that it should have long since: the
 * looks are counted, not timed. Resolves to the exit code.
 */
function live(canary: string, answeredAt: string): Promise<number> {
  const script = `
    import { startWatchdog } from ${JSON.stringify(watchdog)};
    let looks = 0;
    const look = () => { if (++looks === 100) process.exit(0); };
    const watched = {
      canary: () => { look(); return ${canary}; },
      answeredAt: () => { look(); return ${answeredAt}; },
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
  ['nothing is ever answered', 'new Promise(() => {})', '0', 70],
  ['the canary is answered', 'Promise.resolve()', '0', 0],
  ['the canary is refused', "Promise.reject(new Error('down'))", '0', 0],
  ['only others are answered', 'new Promise(() => {})', 'performance.now()', 0],
])('when %s, the process ends as it should', async (_what, canary, answeredAt, code) => {
  expect(await live(canary, answeredAt)).toBe(code);
});
