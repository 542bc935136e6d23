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
];

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

    await page.goto(`${api.url}/ui/events/${body.id}`);
    await page.locator('#event-title a').nth(1).click();
    await expect.poll(() => page.locator('.subject h1').textContent()).toContain(name);
    await expect.poll(() => page.locator('.timeline > li').count()).toBe(1);
    expect(dialogs).toEqual([]);
  },
);
