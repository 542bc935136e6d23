import type { Page } from 'playwright-core';

/**
 * Reads how much processor time the page's own thread has used, in milliseconds. Unlike a time on the clock it hardly grows when
 * other programs need the processor.
 */
export async function startThreadTime(page: Page): Promise<() => Promise<number>> {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  return async () => {
    const { metrics } = await session.send('Performance.getMetrics');
    return 1_000 * (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN);
  };
}
