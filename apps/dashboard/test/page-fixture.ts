import { type ApiFixture, createApiFixture, masterKey } from '@auditbox/testing/fixtures/api-fixture.ts';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { buildPage } from '../build.ts';
import { launchBrowser } from './browser.ts';

/** A browser and an api with the built page, for a whole test file. */
export interface PageFixture {
  readonly api: ApiFixture;
  /** A new tab, signed in with a key. It fails the test at an error of the page or a broken rule of the CSP. */
  open(path: string, options?: OpenOptions): Promise<Page>;
  close(): Promise<void>;
}

interface OpenOptions {
  readonly key?: string;
  readonly theme?: 'light' | 'dark';
  readonly width?: number;
}

/** Null where there is no browser. */
export async function createPageFixture(settings: Record<string, string> = {}): Promise<PageFixture | null> {
  const browser = await launchBrowser();
  if (browser === null) return null;
  await buildPage();
  const api = await createApiFixture(settings);
  const contexts: BrowserContext[] = [];
  return {
    api,
    open: (path, options) => openPage(browser, contexts, `${api.url}/ui${path}`, options),
    async close() {
      await browser.close();
      await api.close();
    },
  };
}

async function openPage(
  browser: Browser,
  contexts: BrowserContext[],
  url: string,
  { key = masterKey, theme = 'light', width = 1440 }: OpenOptions = {},
): Promise<Page> {
  // Closed here, because a tab that is left open goes on to poll.
  for (const context of contexts.splice(0)) await context.close();
  const context = await browser.newContext({
    viewport: { width, height: 900 },
    colorScheme: theme,
    timezoneId: 'Europe/Berlin',
  });
  contexts.push(context);
  const page = await context.newPage();
  page.on('pageerror', (error) => {
    throw error;
  });
  page.on('console', (message) => {
    if (/Content Security Policy|Trusted/.test(message.text())) throw new Error(message.text());
  });
  await page.goto(url);
  await page.getByLabel('API key').fill(key);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.locator('.shell').waitFor();
  return page;
}
