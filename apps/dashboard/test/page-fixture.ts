import { type ApiFixture, createApiFixture, masterKey } from '@auditbox/testing/fixtures/api-fixture.ts';
import type { Browser, Page } from 'playwright-core';
import { buildPage } from '../build.ts';
import { launchBrowser } from './browser.ts';

/** A browser and an api with the built page, for a whole test file. */
export interface PageFixture {
  readonly api: ApiFixture;
  /**
   * The page at a path below `/ui`, signed in. All calls with the same key share one tab, so that a test signs in only once.
   * An error of the page or a broken rule of the CSP fails the test.
   */
  open(path: string, options?: OpenOptions): Promise<Page>;
  close(): Promise<void>;
}

interface OpenOptions {
  readonly key?: string;
  readonly theme?: 'light' | 'dark';
  readonly width?: number;
}

interface Tab {
  readonly key: string;
  readonly page: Page;
}

/** Null where there is no browser. */
export async function createPageFixture(settings: Record<string, string> = {}): Promise<PageFixture | null> {
  const browser = await launchBrowser();
  if (browser === null) return null;
  await buildPage();
  const api = await createApiFixture(settings);
  const address = `${api.url}/ui`;
  let tab: Tab | null = null;
  return {
    api,
    async open(path, { key = masterKey, theme = 'light', width = 1440 } = {}) {
      if (tab?.key !== key) {
        // Closed here, because a tab that is left open goes on to poll.
        await tab?.page.context().close();
        tab = { key, page: await openTab(browser) };
      }
      const { page } = tab;
      await page.setViewportSize({ width, height: 700 });
      await page.emulateMedia({ colorScheme: theme });
      if (page.url() !== `${address}${path}`) await page.goto(`${address}${path}`);
      const field = page.getByLabel('API key');
      await page.locator('.shell').or(field).waitFor();
      if (await field.isVisible()) {
        await field.fill(key);
        await page.getByRole('button', { name: 'Sign in' }).click();
        await page.locator('.shell').waitFor();
      }
      return page;
    },
    async close() {
      await browser.close();
      await api.close();
    },
  };
}

/** A tab of a new person, whose clock has the zone. An error of the page or a broken rule of the CSP fails the test. */
export async function openTab(browser: Browser, zone = 'Europe/Berlin'): Promise<Page> {
  const context = await browser.newContext({ timezoneId: zone, reducedMotion: 'reduce' });
  // As long as `eventually`: it only ends a test that would wait for ever.
  context.setDefaultTimeout(120_000);
  const page = await context.newPage();
  page.on('pageerror', (error) => {
    throw error;
  });
  page.on('console', (message) => {
    if (/Content Security Policy|Trusted/.test(message.text())) throw new Error(message.text());
  });
  return page;
}
