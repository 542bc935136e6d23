import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

/* When each alert fires, by Prometheus's own tool, where there is one: TEST_PROMTOOL, or promtool in the PATH. */

const promtool = process.env.TEST_PROMTOOL ?? 'promtool';
const fileOf = (name: string) => fileURLToPath(new URL(`../prometheus/${name}`, import.meta.url));
const run = (...args: string[]) => spawnSync(promtool, args, { encoding: 'utf8' });
const isThere = run('--version').status === 0;

test.skipIf(!isThere)('the alerts fire when they should, and stay silent when all is well (needs promtool)', () => {
  const { status, stdout, stderr } = run('test', 'rules', fileOf('alerts.test.yml'));
  expect(status, stdout + stderr).toBe(0);
});

test.skipIf(!isThere)('Prometheus takes the configuration (needs promtool)', () => {
  const { status, stdout, stderr } = run('check', 'config', fileOf('prometheus.yml'));
  expect(status, stdout + stderr).toBe(0);
});
