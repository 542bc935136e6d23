import { findFreePort } from '@auditbox/embedded/stack/free-port.ts';
import { createApiFixture, masterKey, startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { expect, test } from 'vitest';
import { buildPage } from '../build.ts';
import { launchBrowser } from './browser.ts';
import { openTab } from './page-fixture.ts';

/* The api dies and comes back while the page is open. */

const browser = await launchBrowser();
if (browser === null) process.stderr.write('\nSKIPPED: the page while the api restarts. It needs chromium.\n\n');

test.skipIf(browser === null)(
  'while the api is killed and started again the page keeps what it shows, says so, and goes on by itself (needs chromium)',
  async () => {
    if (browser === null) return;
    await buildPage();
    const fixture = await createApiFixture();
    const settings = { PORT: String(await findFreePort()) };
    const start = () => startApi(urlAs('api', fixture.db.url), settings);
    const first = await start();
    await first.request('/audit/batch', { body: someEvents(250, { changed_by: 'before' }) });
    const page = await openTab(browser);
    await page.goto(`${first.url}/ui/?range=24h`);
    await page.getByLabel('API key').fill(masterKey);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.locator('.event-row').first().waitFor();
    await page.locator('.table-scroll').evaluate((element) => element.scrollTo({ top: 1_500 }));
    await page.locator('.live-pill', { hasText: 'Held' }).waitFor();
    const shown = () =>
      page.locator('.event-row').evaluateAll((found) => found.map((row) => (row as HTMLElement).dataset.id));
    await expect.poll(async () => (await shown()).length).toBeGreaterThan(20);
    const before = await shown();
    const screen = await page.context().newPage();
    await screen.goto(`${first.url}/ui/`);
    await screen.getByLabel('API key').fill(masterKey);
    await screen.getByRole('button', { name: 'Sign in' }).click();
    await screen.getByRole('link', { name: 'Export' }).click();
    await screen.locator('.headline').waitFor();

    first.app.signal('SIGKILL');
    await first.app.ended;
    await page.locator('.live-pill', { hasText: 'Reconnecting' }).waitFor();
    await screen.locator('.stale-note').waitFor();
    expect(await screen.locator('.headline').count()).toBe(1);
    expect(await shown()).toEqual(before);
    expect(await page.getByLabel('API key').count()).toBe(0);

    const second = await start();
    await second.request('/audit', { body: anEvent({ changed_by: 'after' }) });
    await page.getByRole('button', { name: '1 new' }).waitFor();
    expect(await shown()).toEqual(before);
    await screen.locator('.stale-note').waitFor({ state: 'detached' });
    // A tab behind another one draws no frames.
    await page.bringToFront();
    await page.getByRole('button', { name: '1 new' }).click();
    await expect.poll(() => page.locator('.event-row').first().textContent()).toContain('after');
    // All pages are still there, and the next ones are read.
    const scrollToEnd = () =>
      page.locator('.table-scroll').evaluate((element) => element.scrollTo({ top: element.scrollHeight }));
    const readFooter = async () => {
      await scrollToEnd();
      return page.locator('.log-foot').textContent();
    };
    await expect.poll(readFooter).toContain('251 of 251');
    await browser.close();
    await fixture.close();
  },
);
