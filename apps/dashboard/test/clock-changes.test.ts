import { masterKey } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { afterAll, expect, test } from 'vitest';
import { launchBrowser } from './browser.ts';
import { createPageFixture } from './page-fixture.ts';

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
    const context = await browser.newContext({ timezoneId: zone, reducedMotion: 'reduce' });
    const tab = await context.newPage();
    await tab.goto(`${api.url}/ui/`);
    await tab.getByLabel('API key').fill(masterKey);
    await tab.getByRole('button', { name: 'Sign in' }).click();
    await tab.locator('.shell').waitFor();
    const view = async (days: number) => {
      const [from, to] = [change - days * 24 * hourMs, change + days * 24 * hourMs].map((at) =>
        new Date(at).toISOString(),
      );
      await tab.goto(`${api.url}/ui/?table_name=${table_name}&start_date=${from}&end_date=${to}`);
      await tab.locator('.event-row').first().waitFor();
      await expect.poll(() => tab.locator('.bar').count()).toBeGreaterThan(3);
      return tab.locator('.bar');
    };
    const readTotals = (labels: readonly string[]) =>
      labels.map((label) => Number(/: ([\d,]+) events?/.exec(label)?.[1]?.replaceAll(',', '')));
    // 20 days to each side: by day. 3 days: by hour.
    for (const days of [20, 3]) {
      const bars = await view(days);
      const labels = await bars.evaluateAll((all) => all.map((bar) => bar.getAttribute('aria-label') ?? ''));
      const totals = readTotals(labels);
      expect(totals.reduce((sum, one) => sum + one, 0)).toBe(times.length);
      const filled = totals.flatMap((total, n) => (total > 0 ? [n] : []));
      for (const n of days === 20 ? filled : filled.filter((one) => one % 7 === 0)) {
        await (await view(days)).nth(n).focus();
        await tab.keyboard.press('Enter');
        await expect
          .poll(() => tab.locator('.log-foot').textContent(), { message: labels[n] ?? '' })
          .toContain(`of ${totals[n]} events`);
        const search = new URL(tab.url()).searchParams;
        const [from, to] = [search.get('start_date'), search.get('end_date')].map((text) => Date.parse(text ?? ''));
        expect(times.filter((at) => at >= (from ?? 0) && at <= (to ?? 0)).length, labels[n]).toBe(totals[n]);
        if (days === 20) {
          // A bar of a day begins where the clock's day begins.
          const begin = await tab.evaluate((at) => new Date(at).setHours(0, 0, 0, 0), from ?? 0);
          expect(new Date(from ?? 0).toISOString()).toBe(new Date(begin).toISOString());
        }
      }
      expect(new Set(labels).size, 'no two bars have the same words').toBe(labels.length);
    }
    await context.close();
  },
);
