import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { createPageFixture } from './page-fixture.ts';
import { startThreadTime } from './thread-time.ts';

/*
 * A long list, scrolled from the newest to the oldest event while its pages are loaded, and once more. Prints the figures of
 * docs/page.md, which are those of PAGE_ROWS=100000.
 */

const events = Number(process.env.PAGE_ROWS ?? 20_000);
const fixture = await createPageFixture({ RATE_LIMIT_REQUESTS: '0' });
if (fixture === null) process.stderr.write('\nSKIPPED: the page with many rows. It needs chromium.\n\n');

interface Scrolled {
  /** Tasks of the page's thread that took longer than 50 ms, in milliseconds. */
  readonly longTasks: readonly number[];
  readonly longestFrameMs: number;
  readonly frames: number;
  readonly mostRows: number;
}

/** Scrolls by four windows in each frame, so that each frame draws only new rows, and waits at the end of what is loaded. */
function scrollDown(page: Page, until: number): Promise<Scrolled> {
  return page.evaluate(async (wanted) => {
    const scroller = document.querySelector('.table-scroll') as HTMLElement;
    const longTasks: number[] = [];
    const observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) longTasks.push(Math.round(entry.duration));
    });
    observer.observe({ type: 'longtask' });
    let [longestFrameMs, frames, mostRows] = [0, 0, 0];
    const nextFrame = () => new Promise<number>((resolve) => requestAnimationFrame(resolve));
    for (let before = await nextFrame(); ; ) {
      scroller.scrollTop += scroller.clientHeight * 4;
      const now = await nextFrame();
      longestFrameMs = Math.max(longestFrameMs, now - before);
      before = now;
      frames += 1;
      const rows = [...document.querySelectorAll('.event-row')];
      mostRows = Math.max(mostRows, rows.length);
      if (rows.at(-1)?.getAttribute('aria-rowindex') === String(wanted + 1)) break;
    }
    observer.disconnect();
    return { longTasks, longestFrameMs: Math.round(longestFrameMs), frames, mostRows };
  }, until);
}

test.skipIf(fixture === null)(
  'all rows of a long list are scrolled through without a long task, and few of them exist at a time (needs chromium)',
  { timeout: 600_000 },
  async () => {
    if (fixture === null) return;
    const { api, open, close } = fixture;
    await api.db.sql`select auditbox.make_month(now() - interval '20 days'), auditbox.make_month(now())`;
    await api.db.sql`
      insert into auditbox.audit_log (changed_by, action, table_name, object_id, occurred_at, before_value, updated_values)
      select 'actor-' || n % 40, (array['created', 'updated', 'deleted'])[1 + n % 3], 'teams', 'object-' || n % 999,
        now() - n * interval '17 seconds', json_build_object('max_budget', n, 'models', json_build_array('a', 'b')),
        json_build_object('max_budget', n + 1, 'models', json_build_array('a', 'c'))
      from generate_series(1, ${events}::int) n`;
    const page = await open('/?range=all&live=0');
    await page.locator('.event-row').first().waitFor();
    const readThreadMs = await startThreadTime(page);
    const loading = await scrollDown(page, events);
    await page.locator('.table-scroll').evaluate((element) => element.scrollTo({ top: 0 }));
    const again = await scrollDown(page, events);
    const threadMs = await readThreadMs();
    for (const [name, { longTasks, longestFrameMs, frames, mostRows }] of Object.entries({ loading, again }))
      process.stdout.write(
        `${name}: ${frames} frames, longest ${longestFrameMs} ms, ${longTasks.length} tasks above 50 ms, longest ` +
          `${Math.max(0, ...longTasks)} ms, at most ${mostRows} rows in the document\n`,
      );
    process.stdout.write(`${Math.round(threadMs)} ms of the processor\n`);
    expect(Math.max(loading.mostRows, again.mostRows)).toBeLessThan(80);
    // Each task of a busy machine may be long on the clock.
    expect(threadMs / events).toBeLessThan(1);
    await close();
  },
);
