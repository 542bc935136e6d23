import { masterKey } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import type { Page } from 'playwright-core';
import { afterAll, expect, test } from 'vitest';
import { launchBrowser } from './browser.ts';
import { createPageFixture, openTab } from './page-fixture.ts';

/*
 * Days on which the reader's clock is put forward or back. The chart has a bar for each day of that clock, and each bar has the
 * events of the time that its words name, no more and no fewer.
 */

const fixture = await createPageFixture({ RATE_LIMIT_REQUESTS: '0' });
const browser = await launchBrowser();
if (fixture === null) process.stderr.write('\nSKIPPED: clock changes on the page. They need chromium.\n\n');
afterAll(async () => {
  await browser?.close();
  await fixture?.close();
});

/** A zone, and a time close to a change of its clock. In Santiago and Cairo one day has no midnight. */
const changes: readonly (readonly [zone: string, near: string])[] = [
  ['Europe/Berlin', '2026-03-29T01:00:00Z'],
  ['Europe/Berlin', '2026-10-25T01:00:00Z'],
  ['America/New_York', '2026-03-08T07:00:00Z'],
  ['America/New_York', '2026-11-01T06:00:00Z'],
  ['Australia/Lord_Howe', '2026-04-04T15:00:00Z'],
  ['Australia/Lord_Howe', '2026-10-03T15:30:00Z'],
  ['America/Santiago', '2026-04-05T03:00:00Z'],
  ['America/Santiago', '2026-09-06T04:00:00Z'],
  ['Africa/Cairo', '2026-04-23T22:00:00Z'],
  ['America/Havana', '2026-11-01T05:00:00Z'],
];
const hourMs = 3_600_000;

async function signIn(tab: Page, url: string): Promise<void> {
  await tab.goto(`${url}/ui/`);
  await tab.getByLabel('API key').fill(masterKey);
  await tab.getByRole('button', { name: 'Sign in' }).click();
  await tab.locator('.shell').waitFor();
}

/** Events that each bar counts. */
async function readTotals(tab: Page): Promise<{ labels: string[]; totals: number[] }> {
  const bars = tab.locator('.bar');
  const labels = await bars.evaluateAll((all) => all.map((bar) => bar.getAttribute('aria-label') ?? ''));
  const totals = labels.map((label) => Number(/: ([\d,]+) events?/.exec(label)?.[1]?.replaceAll(',', '')));
  return { labels, totals };
}

/** Chooses a bar. Resolves to the ends of its time, once the list has as many events as it counts. */
async function choose(tab: Page, bar: number, { labels, totals }: Awaited<ReturnType<typeof readTotals>>) {
  await tab.locator('.bar').nth(bar).focus();
  await tab.keyboard.press('Enter');
  await expect
    .poll(() => tab.locator('.log-foot').textContent(), { message: labels[bar] ?? '' })
    .toContain(`of ${totals[bar]} event`);
  const search = new URL(tab.url()).searchParams;
  const [from, to] = ['start_date', 'end_date'].map((name) => Date.parse(search.get(name) ?? ''));
  return { from: from ?? 0, to: to ?? 0 };
}

test.skipIf(fixture === null).each(changes)(
  'in %s, around %s, bars are days of the clock and count the events that they lead to (needs chromium)',
  async (zone, near) => {
    if (fixture === null || browser === null) return;
    const { api } = fixture;
    const change = Date.parse(near);
    const actor = `${zone} ${near}`;
    const table_name = `${change}`;
    await api.db
      .sql`select auditbox.make_month(${near}::timestamptz - interval '40 days'), auditbox.make_month(${near}::timestamptz),
      auditbox.make_month(${near}::timestamptz - interval '20 days'), auditbox.make_month(${near}::timestamptz + interval '20 days')`;
    // Three in each hour, in both halves of it.
    const times = Array.from(
      { length: 96 * 3 },
      (_, n) => change - 48 * hourMs + Math.floor(n / 3) * hourMs + (1 + 29 * (n % 3)) * 60_000,
    );
    await api.request('/audit/batch', {
      body: times.map((at) => anEvent({ changed_by: actor, table_name, updated_at: new Date(at).toISOString() })),
    });
    const tab = await openTab(browser, zone);
    await signIn(tab, api.url);
    // 20 days to each side: by day. 3 days: by hour.
    for (const days of [20, 3]) {
      const [start, end] = [change - days * 24 * hourMs, change + days * 24 * hourMs].map((at) =>
        new Date(at).toISOString(),
      );
      await tab.goto(`${api.url}/ui/?table_name=${table_name}&start_date=${start}&end_date=${end}`);
      await tab.locator('.event-row').first().waitFor();
      await expect.poll(() => tab.locator('.bar').count()).toBeGreaterThan(3);
      const bars = await readTotals(tab);
      const { labels, totals } = bars;
      expect(totals.reduce((sum, one) => sum + one, 0)).toBe(times.length);
      const filled = totals.flatMap((total, n) => (total > 0 ? [n] : []));
      for (const n of days === 20 ? filled : filled.filter((one) => one % 7 === 0)) {
        const { from, to } = await choose(tab, n, bars);
        expect(times.filter((at) => at >= from && at <= to).length, labels[n]).toBe(totals[n]);
        if (days === 20) {
          // A bar of a day begins where the clock's day begins.
          const begin = await tab.evaluate((at) => new Date(at).setHours(0, 0, 0, 0), from);
          expect(new Date(from).toISOString()).toBe(new Date(begin).toISOString());
        }
        await tab.goBack();
        await expect.poll(() => readTotals(tab)).toEqual(bars);
      }
      expect(new Set(labels).size, 'no two bars have the same words').toBe(labels.length);
    }
    await tab.context().close();
  },
);

test.skipIf(fixture === null)(
  'bars are days in UTC where the api does not know the zone of the clock, and count the events that they lead to (needs chromium)',
  async () => {
    if (fixture === null || browser === null) return;
    const { api } = fixture;
    const table_name = 'of a zone that only the browser knows';
    // Two are on another day of the clock.
    const times = ['03T21:30', '03T22:30', '03T23:30', '04T00:30'].map((at) => `2026-07-${at}:00Z`);
    await api.request('/audit/batch', { body: times.map((updated_at) => anEvent({ table_name, updated_at })) });
    const tab = await openTab(browser, 'Europe/Berlin');
    await signIn(tab, api.url);
    const errors = [{ path: 'time_zone', message: 'It is not the name of a time zone.' }];
    await tab.route(/\/audit\/stats\?.*time_zone=/, (route) =>
      route.fulfill({ status: 400, contentType: 'application/problem+json', body: JSON.stringify({ errors }) }),
    );
    const ends = { start_date: '2026-06-13T00:00:00Z', end_date: '2026-07-24T00:00:00Z' };
    await tab.goto(`${api.url}/ui/?${new URLSearchParams({ table_name, ...ends })}`);
    await expect.poll(() => tab.locator('.bar').count()).toBeGreaterThan(3);
    const bars = await readTotals(tab);
    expect(bars.totals.filter((total) => total > 0)).toEqual([3, 1]);
    const { from, to } = await choose(tab, bars.totals.indexOf(3), bars);
    expect([from, to + 1].map((at) => new Date(at).toISOString())).toEqual([
      '2026-07-03T00:00:00.000Z',
      '2026-07-04T00:00:00.000Z',
    ]);
    await tab.context().close();
  },
);
