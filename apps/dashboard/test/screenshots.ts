import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { createStack } from '@auditbox/embedded/stack/stack.ts';
import { welcomeText } from '@auditbox/embedded/stack/welcome.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import type { Page } from 'playwright-core';
import { buildPage } from '../build.ts';
import type { ExportState } from '../src/exports/export-state.ts';
import { launchBrowser } from './browser.ts';

/*
 * `npm run screenshots`: every screen at two widths and in both themes, with a week of example events, into `.screenshots/`.
 * With `--url` and `--key` it takes them of a running system.
 */

const { values } = parseArgs({
  options: { url: { type: 'string' }, key: { type: 'string' }, output: { type: 'string' }, only: { type: 'string' } },
});
const output = values.output ?? join(resolve(import.meta.dirname, '../../..'), '.screenshots');

const exampleKeys = [
  { name: 'litellm-proxy', scopes: ['write'], bounds: { table_name: ['LiteLLM_*'] } },
  { name: 'siem', scopes: ['read'], expires_at: new Date(Date.now() + 10 * 86_400_000).toISOString() },
  { name: 'support desk of acme', scopes: ['read'], tenant: 'acme' },
  { name: 'platform team', scopes: ['read', 'export:replay', 'keys:admin'] },
];

await buildPage();
const browser = await launchBrowser();
if (browser === null) throw new Error('There is no chromium on this machine.');
const system =
  values.url && values.key ? { url: values.url, key: values.key, stop: async () => {} } : await startSystem();
try {
  await mkdir(output, { recursive: true });
  for (const body of exampleKeys) await makeKey(system, body);
  await eventually(() => expectArchived(system));
  const answer = await fetch(`${system.url}/audit?action=updated&table_name=LiteLLM_VerificationToken&page_size=50`, {
    headers: { authorization: `Bearer ${system.key}` },
  });
  const { audit_logs: events } = (await answer.json()) as {
    audit_logs: { id: string; object_id: string; table_name: string; changed_by: string; updated_values: object }[];
  };
  const event = events.slice(20).find(({ updated_values }) => Object.keys(updated_values).length > 1) ?? events[0];
  if (!event) throw new Error('There are no events.');
  const dayBefore = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10);
  const screens: Readonly<Record<string, string>> = {
    'sign-in': '',
    log: '/',
    'log-filtered': '/?action=deleted,blocked&range=7d',
    'log-panel': `/?event=${event.id}`,
    empty: '/?changed_by=nobody',
    event: `/events/${event.id}`,
    object: `/objects/${event.table_name}/${event.object_id}`,
    actor: `/actors/${encodeURIComponent(event.changed_by)}`,
    export: '/export',
    archive: `/archive?month=${dayBefore.slice(0, 7)}&day=${dayBefore}`,
    keys: '/keys',
  };
  for (const theme of ['light', 'dark'] as const) {
    for (const [width, height] of [
      [1440, 900],
      [390, 844],
    ] as const) {
      const context = await browser.newContext({
        viewport: { width, height },
        colorScheme: theme,
        deviceScaleFactor: width > 1000 ? 1 : 2,
      });
      const page = await context.newPage();
      page.on('console', (message) => message.type() === 'error' && process.stderr.write(`${message.text()}\n`));
      page.on('pageerror', (error) => process.stderr.write(`${error.message}\n`));
      await page.goto(`${system.url}/ui/`);
      for (const [name, path] of Object.entries(screens)) {
        if (values.only && !values.only.split(',').includes(name) && name !== 'sign-in') continue;
        if (name !== 'sign-in') await page.goto(`${system.url}/ui${path}`);
        await settle(page);
        await page.screenshot({ path: join(output, `${name}-${width}-${theme}.png`) });
        if (name === 'sign-in') await signIn(page, system.key);
      }
      await context.close();
    }
  }
} finally {
  await browser.close();
  await system.stop();
}

/** The receipt of an event is empty until its batch is in the bucket and under a signed checkpoint. */
async function expectArchived({ url, key }: { url: string; key: string }): Promise<void> {
  const answer = await fetch(`${url}/exports`, { headers: { authorization: `Bearer ${key}` } });
  const { pending, destinations } = (await answer.json()) as ExportState;
  const isBehind = destinations.some(
    ({ rows, log }) => rows.sealed + rows.sending > 0 || (log !== null && log.published_size < log.size),
  );
  if (pending.rows > 0 || isBehind) throw new Error('Not everything is archived.');
}

async function makeKey({ url, key }: { url: string; key: string }, body: object): Promise<void> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const { status } = await fetch(`${url}/keys`, { method: 'POST', headers, body: JSON.stringify(body) });
  // Of an earlier run.
  if (status !== 201 && status !== 409) throw new Error(`A key could not be made: ${status}.`);
}

async function signIn(page: Page, key: string): Promise<void> {
  await page.getByLabel('API key').fill(key);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.locator('.shell').waitFor();
}

async function settle(page: Page): Promise<void> {
  await page.waitForLoadState('networkidle').catch(() => {});
  await page
    .locator('[aria-busy="true"]')
    .waitFor({ state: 'detached', timeout: 5_000 })
    .catch(() => {});
}

async function startSystem() {
  const home = await mkdtemp(join(tmpdir(), 'auditbox-screenshots-'));
  const stack = createStack({
    home,
    isDefaultHome: false,
    given: { apiPort: 0, exporterPort: null, masterKey: null },
    environment: process.env,
    demo: true,
    reset: false,
    welcome: welcomeText,
    showLine: () => {},
    onGivenUp: () => process.exit(1),
  });
  const stop = async () => {
    await stack.stop();
    await rm(home, { recursive: true, force: true });
  };
  const welcome = await stack.start().catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  const url = / {2}api +(\S+)/.exec(welcome)?.[1] ?? '';
  const key = (await readFile(join(home, 'master-key'), 'utf8')).trim();
  return { url, key, stop };
}
