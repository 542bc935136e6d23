import { readFile } from 'node:fs/promises';
import { findFreePort } from '@auditbox/embedded/stack/free-port.ts';
import { createApiFixture, masterKey, startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { hasNginx, startNginx } from '@auditbox/testing/servers/own-nginx.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { expect, test } from 'vitest';
import { buildPage } from '../build.ts';
import { launchBrowser } from './browser.ts';
import { openTab } from './page-fixture.ts';

/* The page below a path of a real nginx, which is configured as docs/operate.md says. */

const browser = await launchBrowser();
if (browser === null || !hasNginx)
  process.stderr.write(
    '\nSKIPPED: the page behind nginx. It needs chromium, and nginx: apt-get install nginx-light.\n\n',
  );

test.skipIf(browser === null || !hasNginx)(
  'below a path of nginx every screen, link, live event and download works, and nothing asks outside of the path (needs chromium and nginx)',
  async () => {
    if (browser === null) return;
    await buildPage();
    const fixture = await createApiFixture();
    const port = await findFreePort();
    const address = `http://127.0.0.1:${port}/auditbox`;
    const { url, request } = await startApi(urlAs('api', fixture.db.url), {
      PUBLIC_URL: address,
      TRUSTED_PROXIES: '127.0.0.1',
    });
    const nginx = await startNginx(url, 'documented', port);
    const event = anEvent({ changed_by: 'ana', object_id: 'prod-42' });
    await request('/audit/batch', { body: [event, ...someEvents(150)] });
    const page = await openTab(browser);
    const wrong: string[] = [];
    page.on('response', (response) => {
      const { pathname } = new URL(response.url());
      if (!response.url().startsWith('blob:') && (!pathname.startsWith('/auditbox/') || response.status() >= 400))
        wrong.push(`${response.status()} ${pathname}`);
    });
    await page.goto(`${address}/ui/?changed_by=ana`);
    await page.getByLabel('API key').fill(masterKey);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.locator('.event-row').first().waitFor();
    expect(page.url()).toBe(`${address}/ui/?changed_by=ana`);
    // An address of a screen, opened from outside, and its way on by links.
    await page.goto(`${address}/ui/events/${event.id}`);
    await page.locator('.diff').waitFor();
    await page.getByRole('link', { name: 'prod-42' }).first().click();
    await page.locator('.step').first().waitFor();
    expect(new URL(page.url()).pathname).toBe('/auditbox/ui/objects/teams/prod-42');
    for (const [name, shown] of [
      ['Export', '.headline'],
      ['Archive', '.archive-day'],
      ['Keys', 'h1'],
      ['Log', '.event-row'],
    ] as const) {
      await page.getByRole('navigation').getByRole('link', { name }).click();
      await page.locator(shown).first().waitFor();
    }
    await request('/audit', { body: anEvent({ changed_by: 'newcomer' }) });
    await expect.poll(() => page.locator('.event-row').first().textContent()).toContain('newcomer');
    await page.getByRole('button', { name: 'Download' }).click();
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: /^Download \d+ events$/ }).click(),
    ]);
    expect((await readFile(await download.path(), 'utf8')).trimEnd().split('\n')).toHaveLength(152);
    expect(wrong).toEqual([]);
    await browser.close();
    await nginx.close();
    await fixture.close();
  },
);
