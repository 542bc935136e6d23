import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

/* Tests when each alert fires, with Prometheus's promtool: TEST_PROMTOOL, or promtool in the PATH. Skipped without it. */

const promtool = process.env.TEST_PROMTOOL ?? 'promtool';
const resolveFile = (name: string) => fileURLToPath(new URL(`../prometheus/${name}`, import.meta.url));
const run = (...args: string[]) => spawnSync(promtool, args, { encoding: 'utf8' });
const isThere = run('--version').status === 0;

test.skipIf(!isThere)('the alerts fire in their situations and in no other (needs promtool)', () => {
  const files = ['alerts.test.yml', 'alerts-over-days.test.yml'].map(resolveFile);
  const { status, stdout, stderr } = run('test', 'rules', ...files);
  expect(status, stdout + stderr).toBe(0);
});

test.skipIf(!isThere)('Prometheus accepts the configuration (needs promtool)', () => {
  const { status, stdout, stderr } = run('check', 'config', resolveFile('prometheus.yml'));
  expect(status, stdout + stderr).toBe(0);
});
