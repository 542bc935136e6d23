import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { afterAll, expect, test } from 'vitest';
import { createPageFixture } from './page-fixture.ts';

/* Names are the writers' texts. None of them is markup, a path, or a filter of something else. */

const fixture = await createPageFixture();
if (fixture === null) process.stderr.write('\nSKIPPED: odd names on the page. They need chromium.\n\n');
afterAll(() => fixture?.close());

const names = [
  '.',
  '..',
  '~..',
  'a/../b',
  '%2e%2F',
  '?x=1#y',
  'a,b',
  '\\,',
  '<img src=x onerror=alert(1)>',
  '🐎'.repeat(60),
  '/',
  '#',
  '\\',
  '%252F',
  'אב/גד',
];

/** An object may have any name, also one that nobody sees. The last one is a blank letter of Hangul. */
const objectNames = ['\u202egnp.exe', '\u200b', '\n', '\u00a0', 'x\u200b', ' x', 'e\u0301', ' ', '\u3164'];

test.skipIf(fixture === null).each(names)(
  'an actor and an object with the name %j are reached by the links of their event (needs chromium)',
  async (name) => {
    if (fixture === null) return;
    const { api, open } = fixture;
    const { body } = await api.request('/audit', { body: anEvent({ changed_by: name, object_id: name }) });
    const page = await open(`/events/${body.id}`);
    const dialogs: string[] = [];
    page.on('dialog', (dialog) => void dialogs.push(dialog.message()));
    await page.locator('#event-title a').first().click();
    await expect.poll(() => page.locator('.subject h1').textContent()).toBe(name);
    await page.getByText('1 event in 30 days').waitFor();
    await page.getByRole('link', { name: 'Open in the log' }).click();
    await expect.poll(() => page.locator('.event-row').count()).toBe(1);
    // The address alone restores what is shown.
    await page.reload();
    await page.locator(`.event-row[data-id="${body.id}"]`).waitFor();

    // Back to the event, without loading the page again.
    await page.evaluate(() => history.go(-2));
    await page.locator('#event-title a').nth(1).click();
    await expect.poll(() => page.locator('.subject h1').textContent()).toContain(name);
    await expect.poll(() => page.locator('.timeline > li').count()).toBe(1);
    expect(dialogs).toEqual([]);
  },
);

test.skipIf(fixture === null).each(objectNames)(
  'an object with the name %j has its own page, its own filter and a name that can be seen (needs chromium)',
  async (object) => {
    if (fixture === null) return;
    const { api, open } = fixture;
    const { body } = await api.request('/audit', { body: anEvent({ object_id: object, table_name: 'odd' }) });
    const page = await open(`/events/${body.id}`);
    await page.locator('#event-title a').nth(1).click();
    await expect.poll(() => page.locator('.subject h1').textContent()).toBe(object);
    await expect.poll(() => page.locator('.timeline > li').count()).toBe(1);
    await page.goto(page.url());
    await expect.poll(() => page.locator('.subject h1').textContent()).toBe(object);
    expect(await page.locator('.subject h1').evaluate((title) => title.getBoundingClientRect().height)).toBeGreaterThan(
      20,
    );
    expect(await page.locator('.subject h1').evaluate((title) => (title as HTMLElement).offsetWidth)).toBeGreaterThan(
      5,
    );
    const spelled = await page.locator('.subject h1 .odd').count();
    expect(spelled === 0).toBe(object === 'e\u0301');
    await page.getByRole('link', { name: 'Open in the log' }).click();
    await page.locator(`.event-row[data-id="${body.id}"]`).waitFor();
    expect(await page.locator('.event-row').count()).toBe(1);
    await page.reload();
    await page.locator(`.event-row[data-id="${body.id}"]`).waitFor();
  },
);

test.skipIf(fixture === null)('the address of an event asks for that event alone (needs chromium)', async () => {
  if (fixture === null) return;
  const { api, open } = fixture;
  const event = anEvent();
  await api.request('/audit', { body: event });
  let page = await open('/');
  const asked: string[] = [];
  page.on('request', (request) => asked.push(new URL(request.url()).pathname));
  for (const part of ['..%2Fkeys', '%2e%2e%2Fexports', '~..', 'x%2Fproof', '%3Fq=1', '%23', ' ']) {
    page = await open(`/events/${part}`);
    await page.locator('.notice').waitFor();
  }
  const routes = asked.filter((path) => !path.startsWith('/ui') && !path.startsWith('/audit'));
  expect(routes).toEqual([]);
  expect(asked.filter((path) => /^\/audit\/.*\//.test(path))).toEqual([]);
  page = await open(`/events/${event.id.toUpperCase()}`);
  await page.locator('.diff').waitFor();
});
