import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import type { Browser, Page } from 'playwright-core';
import { afterAll, expect, test } from 'vitest';
import { launchBrowser } from './browser.ts';
import { createPageFixture, openTab } from './page-fixture.ts';

/* What one key has seen is not there for the next one, and a key that ends while the page is open ends the session alone. */

const fixture = await createPageFixture();
const browser = await launchBrowser();
if (fixture === null) process.stderr.write('\nSKIPPED: sessions on the page. They need chromium.\n\n');
afterAll(async () => {
  await browser?.close();
  await fixture?.close();
});

interface Parts {
  readonly api: NonNullable<typeof fixture>['api'];
  readonly browser: Browser;
  readonly page: Page;
  signIn(page: Page, key: string): Promise<void>;
  /** A key of a tenant that has two events: one by an actor of the tenant's name, and then the one of the key. */
  makeTenant(tenant: string): Promise<{ readonly id: string; readonly key: string }>;
}

function sessionTest(name: string, run: (parts: Parts) => Promise<void>): void {
  test.skipIf(fixture === null)(`${name} (needs chromium)`, async () => {
    if (fixture === null || browser === null) return;
    const { api } = fixture;
    const page = await openTab(browser);
    await run({
      api,
      browser,
      page,
      async signIn(tab, key) {
        await tab.getByLabel('API key').fill(key);
        await tab.getByRole('button', { name: 'Sign in' }).click();
        await tab.locator('.shell').waitFor();
      },
      async makeTenant(tenant) {
        await api.request('/audit', { body: anEvent({ changed_by: `${tenant}-ana`, tenant }) });
        return (await api.request('/keys', { body: { name: `reads ${tenant}`, scopes: ['read'], tenant } })).body;
      },
    });
    await page.context().close();
  });
}

const actors = (page: Page) => page.locator('.event-row .cell-actor').allTextContents();
/** Of the events of a tenant, newest first. */
const actorsOf = (tenant: string) => ['master', `${tenant}-ana`];
const ended = (page: Page) => page.getByRole('alert').filter({ hasText: 'Your sign-in has ended' });

sessionTest(
  'a key that is revoked while the page is open leads to the sign-in with a sentence, without more requests, and back to the view',
  async ({ api, page, signIn, makeTenant }) => {
    const first = await makeTenant('acme');
    const address = `${api.url}/ui/?changed_by=acme-ana&range=24h`;
    await page.clock.install();
    await page.goto(address);
    await signIn(page, first.key);
    await page.locator('.event-row').first().waitFor();
    await page.getByLabel('Search or filter').fill('half a word');
    await api.request(`/keys/${first.id}`, { method: 'DELETE' });
    await expect
      .poll(async () => {
        await page.clock.runFor(10_000);
        return ended(page).count();
      })
      .toBe(1);
    expect(await page.locator('.event-row').count()).toBe(0);
    let requests = 0;
    page.on('request', () => {
      requests += 1;
    });
    await page.clock.runFor(600_000);
    expect(requests).toBe(0);
    expect(page.url()).toBe(address);

    const second = await makeTenant('acme');
    await signIn(page, second.key);
    await page.locator('.event-row').first().waitFor();
    expect(page.url()).toBe(address);
    expect(await page.getByLabel('Search or filter').inputValue()).toBe('half a word');
    expect(new Set(await actors(page))).toEqual(new Set(['acme-ana']));
  },
);

sessionTest('the rows that a revoked key has read are not shown to the next key', async (parts) => {
  const { api, page, signIn, makeTenant } = parts;
  const [mine, other] = [await makeTenant('north'), await makeTenant('south')];
  await page.goto(`${api.url}/ui/?range=24h`);
  await signIn(page, mine.key);
  await expect.poll(() => actors(page)).toEqual(actorsOf('north'));
  await page.getByLabel('Search or filter').fill('a secret of north');
  await api.request(`/keys/${mine.id}`, { method: 'DELETE' });
  await ended(page).waitFor();
  const seen: string[] = [];
  await page.exposeFunction('see', (text: string) => void seen.push(text));
  await page.evaluate(() => {
    const watcher = new MutationObserver(() =>
      (globalThis as unknown as { see(text: string): void }).see(document.body.textContent ?? ''),
    );
    watcher.observe(document.body, { subtree: true, childList: true, characterData: true });
  });
  await signIn(page, other.key);
  await expect.poll(() => actors(page)).toEqual(actorsOf('south'));
  expect(seen.join('\n')).not.toContain('north-ana');
  expect(await page.getByLabel('Search or filter').inputValue()).toBe('');
});

sessionTest('a late refusal of the last key does not end the session of the next one', async (parts) => {
  const { api, page, signIn, makeTenant } = parts;
  const [mine, other] = [await makeTenant('east'), await makeTenant('west')];
  await page.goto(`${api.url}/ui/?range=24h&live=0`);
  let refuse = () => {};
  const held = new Promise<void>((resolve) => {
    refuse = resolve;
  });
  await page.route(/\/audit\?/, async (route) => {
    if (route.request().headers().authorization !== `Bearer ${mine.key}`) return route.continue();
    await held;
    return route.fulfill({ status: 401, contentType: 'application/problem+json', body: '{}' });
  });
  const asked = page.waitForRequest(/\/audit\?/);
  await signIn(page, mine.key);
  await asked;
  await page.getByRole('button', { name: 'Sign out' }).click();
  await signIn(page, other.key);
  await expect.poll(() => actors(page)).toEqual(actorsOf('west'));
  const answered = page.waitForResponse((response) => response.status() === 401);
  refuse();
  await answered;
  await page.reload();
  await expect.poll(() => actors(page)).toEqual(actorsOf('west'));
});

sessionTest('two tabs with different keys see what their key may see, also after a reload', async (parts) => {
  const { api, page, signIn, makeTenant } = parts;
  const keys = [await makeTenant('left'), await makeTenant('right')];
  const tabs = [page, await page.context().newPage()];
  for (const [n, tab] of tabs.entries()) {
    await tab.goto(`${api.url}/ui/?range=24h`);
    await signIn(tab, keys[n]?.key ?? '');
  }
  for (const reload of [false, true]) {
    for (const [n, tab] of tabs.entries()) {
      await tab.bringToFront();
      if (reload) await tab.reload();
      await expect.poll(() => actors(tab)).toEqual(actorsOf(['left', 'right'][n] ?? ''));
    }
  }
  await page.getByRole('button', { name: 'Sign out' }).click();
  await tabs[1]?.reload();
  await expect.poll(() => actors(tabs[1] as Page)).toEqual(actorsOf('right'));
});

sessionTest(
  'after a sign-out the back button shows no data, also not of a page that the browser kept',
  async (parts) => {
    const { api, signIn, makeTenant } = parts;
    const { key } = await makeTenant('gone');
    const kept = await launchBrowser({ keepsPages: true });
    if (kept === null) throw new Error('There is no browser.');
    const page = await openTab(kept);
    await page.goto(`${api.url}/ui/?range=24h`);
    await signIn(page, key);
    await page.locator('.event-row a').first().click();
    await page.locator('.event-panel h1').waitFor();
    await page.getByRole('link', { name: 'Own page' }).click();
    await page.locator('.receipt').waitFor();
    // A second document of the same tab: the first one may stay in the browser's memory with its session.
    await page.goto(`${api.url}/ui/?range=7d`);
    await page.locator('.event-row').first().waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('API key').waitFor();
    for (let n = 0; n < 3; n += 1) {
      await page.goBack();
      await page.getByLabel('API key').waitFor();
      expect(await page.locator('body').textContent()).not.toContain('gone-ana');
    }
    await page.goForward();
    await page.getByLabel('API key').waitFor();
    await kept.close();
  },
);
