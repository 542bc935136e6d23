import { Gauge, Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { createScrape } from '../src/metrics/scrape.ts';

test('metrics are printed as prom-client prints them, and slow ones in separate turns', async () => {
  const registry = new Registry();
  for (let n = 0; n < 5; n += 1)
    new Gauge({
      name: `slow_${n}`,
      help: 'A gauge that is slow.',
      registers: [registry],
      collect() {
        for (const until = performance.now() + 6; performance.now() < until; );
        this.set(n);
      },
    });
  let turns = 0;
  let isOver = false;
  const count = () => {
    turns += 1;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  const text = await createScrape(registry, async () => {}).text();
  isOver = true;
  expect(turns).toBeGreaterThanOrEqual(4);
  expect(text).toBe(await registry.metrics());
});
