import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import type { Page } from 'playwright-core';
import { afterAll, expect, test } from 'vitest';
import { createPageFixture } from './page-fixture.ts';
import { startThreadTime } from './thread-time.ts';

/* Texts of writers in every direction and of every length: they do not change the order or the width of a screen. */

const fixture = await createPageFixture({ RATE_LIMIT_REQUESTS: '0' });
if (fixture === null) process.stderr.write('\nSKIPPED: foreign names on the page. They need chromium.\n\n');
afterAll(() => fixture?.close());

const kinds: Readonly<Record<string, { readonly name: string; readonly value: string }>> = {
  'from right to left': { name: 'שלום עולם (admin) 2026', value: '\u202e\u2067evil.exe ← \u061c' },
  'with one long word': { name: 'W'.repeat(500), value: 'M'.repeat(9_000) },
  'with many marks': { name: `Z${'\u0301\u0489'.repeat(200)}algo`, value: `a${'\u0336'.repeat(500)}` },
};

/** What is wider than its screen, and right-to-left or unseen characters that could move their neighbours. */
function findDefects(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const defects: string[] = [];
    const width = document.documentElement.clientWidth;
    const isClipped = (element: Element | null): boolean =>
      element !== null &&
      element !== document.body &&
      (getComputedStyle(element).overflowX !== 'visible' || isClipped(element.parentElement));
    for (const root of document.querySelectorAll('html, body, main, .rail'))
      if (root.scrollWidth > root.clientWidth) defects.push(`${root.tagName} is ${root.scrollWidth} px wide`);
    for (const element of document.querySelectorAll('main *')) {
      const { right } = element.getBoundingClientRect();
      const isMain = (one: Element | null): boolean => one?.tagName === 'MAIN';
      if (right > width + 1 && isMain(element.closest('main')) && !isClipped(element.parentElement))
        defects.push(`${element.tagName}.${element.className} ends at ${right}`);
    }
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = texts.nextNode(); node; node = texts.nextNode()) {
      if (!/[\u0590-\u08ff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/.test(node.textContent ?? '')) continue;
      if (node.parentElement?.closest('bdi, .odd, option, .unseen') === null)
        defects.push(`not isolated: ${node.parentElement?.outerHTML.slice(0, 200)}`);
    }
    return defects;
  });
}

for (const [kind, { name, value }] of Object.entries(kinds)) {
  test.skipIf(fixture === null)(
    `names and values ${kind} keep to their places on every screen (needs chromium)`,
    async () => {
      if (fixture === null) return;
      const { api, open } = fixture;
      const event = anEvent({
        changed_by: name,
        table_name: name,
        object_id: `${name.slice(0, 480)}${value.slice(0, 30)}`,
        changed_by_api_key: name,
        tenant: name.slice(0, 100),
        before_value: { [name]: value, nested: { [value.slice(0, 300)]: [value] } },
        updated_values: { [name]: `${value} too`, nested: { [value.slice(0, 300)]: [value, name] } },
        context: { [name]: value, request_id: value, ip: name.slice(0, 40) },
      });
      expect((await api.request('/audit', { body: event })).status).toBe(201);
      const { key } = (
        await api.request('/keys', {
          body: { name: name.slice(0, 100), scopes: ['read', 'keys:admin', 'export:replay'] },
        })
      ).body;
      const part = encodeURIComponent;
      const screens = {
        log: `/?range=24h&changed_by=${part(name)}`,
        panel: `/?range=24h&event=${event.id}`,
        event: `/events/${event.id}`,
        object: `/objects/${part(event.table_name)}/${part(event.object_id)}`,
        actor: `/actors/${part(name)}`,
        export: '/export',
        keys: '/keys',
      };
      for (const width of [360, 1440]) {
        for (const [screen, path] of Object.entries(screens)) {
          const page = await open(path, { width, key });
          const content = page.locator('.event-row, .receipt, .step, .heat, .headline, .key-table, .notice');
          await content.filter({ visible: true }).first().waitFor();
          if (screen === 'log') await page.getByLabel('Search or filter').focus();
          await expect.poll(() => page.locator('[aria-busy="true"]').count()).toBe(0);
          expect(await findDefects(page), `${screen} at ${width} px`).toEqual([]);
          if (screen === 'event' && width > 1000 && kind === 'from right to left') {
            // An end of isolation in a name would move the table in front of the object.
            const title = page.locator('#event-title a').nth(1);
            const places = await title
              .locator('bdi')
              .evaluateAll((all) => all.map((one) => one.getBoundingClientRect()));
            expect(places[1]?.left).toBeGreaterThan(places[0]?.right ?? 0);
          }
          if (process.env.PICTURES)
            await page.screenshot({ path: `${process.env.PICTURES}/${kind}-${screen}-${width}.png` });
        }
      }
    },
  );
}

test.skipIf(fixture === null)(
  'an event of a megabyte in one line is shown in part, at once, and in full on request (needs chromium)',
  async () => {
    if (fixture === null) return;
    const { api, open } = fixture;
    const text = 'x'.repeat(950_000);
    const event = anEvent({ before_value: { text: 'y' }, updated_values: { text }, object_id: 'long' });
    expect((await api.request('/audit', { body: event })).status).toBe(201);
    const page = await open('/?object_id=long');
    await page.locator('.event-row').first().waitFor();
    const readThreadMs = await startThreadTime(page);
    await open(`/events/${event.id}`);
    await page.getByRole('button', { name: 'Show all 950,002 characters' }).waitFor();
    const shownMs = await readThreadMs();
    expect(await page.locator('.diff').evaluate((diff) => diff.textContent?.length)).toBeLessThan(10_000);
    expect(shownMs).toBeLessThan(5_000);
    await page.getByRole('button', { name: 'Show all 950,002 characters' }).click();
    await expect
      .poll(() => page.locator('.diff ins').evaluate((diff) => diff.textContent?.length))
      .toBeGreaterThan(950_000);
    await open('/objects/teams/long');
    await page.locator('.step').first().waitFor();
    expect(await page.locator('.step').evaluate((step) => step.textContent?.length)).toBeLessThan(1_000);
  },
);

test.skipIf(fixture === null)(
  'among 10,000 tables and actors the rarest is found by its name, and none is left out of a sum (needs chromium)',
  async () => {
    if (fixture === null) return;
    const { api, open } = fixture;
    await api.db.sql`
      insert into auditbox.audit_log (changed_by, action, table_name, object_id, occurred_at, updated_values)
      select case when n % 2 = 0 then 'many' else 'actor-' || n end, 'created', 'table-' || n, 'o' || n,
        now() - n * interval '1 second', '{}'
      from generate_series(1, 10000) n`;
    const page = await open('/?range=24h');
    await page.locator('.event-row').first().waitFor();
    await page.getByLabel('Search or filter').fill('table-9876');
    await page.getByRole('option', { name: 'Table table-9876 exactly this' }).click();
    await expect.poll(() => page.locator('.log-foot').textContent()).toContain('1 of 1 events');
    await page.getByRole('button', { name: /^Remove filter/ }).click();
    await page.getByLabel('Search or filter').fill('actor-9875');
    await page.getByRole('option', { name: 'Actor actor-9875 exactly this' }).click();
    await expect.poll(() => page.locator('.log-foot').textContent()).toContain('1 of 1 events');
    await page.getByLabel('Search or filter').fill('table');
    await expect.poll(() => page.getByRole('option').count()).toBeGreaterThan(3);
    expect(await page.getByRole('option').count()).toBeLessThan(30);

    await open('/actors/many');
    await page.getByText('5,000 events in 30 days').waitFor();
    const where = page.locator('.card').filter({ has: page.getByRole('heading', { name: 'Where' }) });
    const counts = await where.locator('.share-count').allTextContents();
    expect(counts.reduce((sum, text) => sum + Number(text.replaceAll(',', '')), 0)).toBe(5_000);
    expect(await where.locator('li').last().textContent()).toContain('all others');
    expect(await where.locator('li').last().locator('a').count()).toBe(0);
  },
);
