import { masterKey } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import type { Page } from 'playwright-core';
import { afterAll, expect, test } from 'vitest';
import { expectAccessible } from './accessible.ts';
import { launchBrowser } from './browser.ts';
import { createPageFixture, openTab } from './page-fixture.ts';

/* A part of the page that cannot be drawn says so and what helps. Everything around it stays. */

const fixture = await createPageFixture();
const browser = await launchBrowser();
if (fixture === null) process.stderr.write('\nSKIPPED: faults on the screens of the page. They need chromium.\n\n');
const event = anEvent();
await fixture?.api.request('/audit', { body: event });
afterAll(async () => {
  await browser?.close();
  await fixture?.close();
});

function pageTest(name: string, run: (page: NonNullable<typeof fixture>) => Promise<void>): void {
  test.skipIf(fixture === null)(`${name} (needs chromium)`, async () => {
    if (fixture !== null) await run(fixture);
  });
}

/** Something between the page and the api answers with JSON of another form. */
async function answer(page: Page, route: RegExp, body: object): Promise<void> {
  await page.route(route, (one) => one.fulfill({ contentType: 'application/json', body: JSON.stringify(body) }));
}

const list = { audit_logs: [{}], next_cursor: null };
const oldVerify = { partitions: [], pending: {}, log: null, last_verify: { age_seconds: 1 } };
const screens: readonly (readonly [screen: string, path: string, route: RegExp, body: object, content: string])[] = [
  ['log', '/?range=24h', /\/audit\?/, list, '.event-row'],
  ['event', `/events/${event.id}`, /\/audit\/[\w-]+$/, { updated_at: 'then', export: { state: 'done' } }, '.diff'],
  ['object', '/objects/teams/42', /\/audit\/objects\//, list, '.step'],
  ['actor', '/actors/ana@example.com', /\/audit\?/, list, '.heat'],
  ['export', '/export', /\/exports$/, {}, '.headline'],
  ['archive', '/archive', /\/archive\?/, oldVerify, '.archive-day'],
  [
    'keys',
    '/keys',
    /\/keys\?/,
    { keys: [{ revoked_at: null, expires_at: null, replaced_at: null }], next_cursor: null },
    '.notice',
  ],
];

const notice = (page: Page) => page.getByRole('heading', { name: 'This screen cannot be shown' });

for (const [screen, path, route, body, content] of screens) {
  pageTest(
    `an answer that the ${screen} cannot draw leaves the navigation, and trying again helps`,
    async ({ open }) => {
      const page = await open(screen === 'export' ? '/keys' : '/export');
      await answer(page, route, body);
      await page.evaluate((to) => history.pushState(null, '', `/ui${to}`), path);
      await page.reload();
      await notice(page).waitFor();
      expect(await page.getByRole('navigation').getByRole('link', { name: 'Archive' }).isVisible()).toBe(true);
      await page.getByRole('button', { name: 'Try again' }).click();
      await notice(page).waitFor();
      await page.unroute(route);
      await page.getByRole('button', { name: 'Try again' }).click();
      await page.locator(content).first().waitFor();
      expect(await notice(page).count()).toBe(0);
    },
  );
}

pageTest('from a screen that cannot be drawn the navigation leads to one that can', async ({ open }) => {
  const page = await open('/keys');
  await answer(page, /\/exports$/, {});
  await page.getByRole('link', { name: 'Export' }).click();
  await notice(page).waitFor();
  await expectAccessible(page);
  await page.getByRole('link', { name: 'Log' }).click();
  await page.locator('.event-row').first().waitFor();
  expect(await notice(page).count()).toBe(0);
  await page.unroute(/\/exports$/);
});

pageTest('an event that cannot be drawn next to the list leaves the list', async ({ open }) => {
  const page = await open('/?range=24h');
  await page.locator('.event-row').first().waitFor();
  await answer(page, /\/audit\/[\w-]+$/, { updated_at: 'then', export: { state: 'done' } });
  await page.locator('.event-row a').first().click();
  await page.locator('.event-panel').getByText('This event cannot be shown').waitFor();
  expect(await page.locator('.event-row').count()).toBeGreaterThan(0);
  await page.unroute(/\/audit\/[\w-]+$/);
  await page.locator('.event-panel').getByRole('button', { name: 'Try again' }).click();
  await page.locator('.event-panel h1').waitFor();
});

pageTest(
  'the details of a fault are copied as they are shown, and hold no key and no filter',
  async ({ api, open }) => {
    const page = await open('/keys');
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    const { body } = await api.request('/exports');
    const failed = [{ batch_id: '1', partition: { [masterKey]: 1, abx_live_Secret: 2 }, rows: 1, error: '' }];
    await answer(page, /\/exports$/, { ...body, destinations: [{ ...body.destinations[0], failed }] });
    await page.evaluate(() => history.pushState(null, '', '/ui/export?changed_by=private'));
    await page.reload();
    await page.getByText('Details', { exact: true }).click();
    const shown = await page.locator('.fault-details pre').textContent();
    expect(shown).toContain('Minified React error #31');
    expect(shown).toContain('Address: /ui/export?changed_by=…');
    expect(shown).toContain('[key]');
    for (const secret of [masterKey, 'abx_live', 'private']) expect(shown).not.toContain(secret);
    await page.getByRole('button', { name: 'Copy details' }).click();
    await page.getByRole('button', { name: 'Copied' }).waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(shown);
    await page.unroute(/\/exports$/);
  },
);

pageTest('a page that cannot be drawn at all says so, and trying again loads it anew', async ({ api }) => {
  if (browser === null) return;
  const page = await openTab(browser);
  await page.route('**/ui/', async (route) => {
    const response = await route.fetch();
    const signIn = '{&quot;issuer&quot;:&quot;somewhere&quot;}';
    await route.fulfill({ response, body: (await response.text()).replace('sign-in=""', `sign-in="${signIn}"`) });
  });
  await page.goto(`${api.url}/ui/`);
  await page.getByRole('heading', { name: 'The page cannot be shown' }).waitFor();
  await page.unroute('**/ui/');
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByLabel('API key').waitFor();
  await page.context().close();
});

pageTest('a screen whose file is gone after an update of the api is loaded anew, still signed in', async ({ open }) => {
  const page = await open('/keys');
  await page.reload();
  await page.route('**/assets/export-screen*', (route) => route.fulfill({ status: 404, body: '' }));
  await page.getByRole('link', { name: 'Export' }).click();
  await page.getByRole('heading', { name: 'A part of the page could not be loaded' }).waitFor();
  await page.route('**/ui/', (route) => route.abort());
  await page.getByRole('button', { name: 'Load the page again' }).click();
  await page.getByText('The api cannot be reached. Try again in a minute.').waitFor();
  await page.unroute('**/ui/');
  await page.unroute('**/assets/export-screen*');
  await page.getByRole('button', { name: 'Load the page again' }).click();
  await page.locator('.headline').first().waitFor();
});

test
  .skipIf(fixture === null)
  .each(['null', '{}', '{"id":"1","name":{"a":1},"scopes":[],"tenant":null}', '[]', '<html>502</html>'])(
  'an answer %s instead of who the key is leaves the sign-in, with a sentence (needs chromium)',
  async (body) => {
    if (fixture === null || browser === null) return;
    const page = await openTab(browser);
    await page.goto(`${fixture.api.url}/ui/`);
    await page.route(/\/me$/, (route) => route.fulfill({ contentType: 'application/json', body }));
    await page.getByLabel('API key').fill(masterKey);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await expect
      .poll(() => page.getByRole('alert').textContent())
      .toContain('Is a proxy between this page and the api?');
    // What an older version of the page, or anything else of this origin, left in the tab.
    await page.evaluate((stored) => sessionStorage.setItem('auditbox-session', `{"key":"k","caller":${stored}}`), body);
    await page.reload();
    await page.getByLabel('API key').waitFor();
    await page.context().close();
  },
);
