import { setImmediate } from 'node:timers/promises';
import type { Registry } from 'prom-client';

/** Metrics are printed for this long in a turn of the event loop. Some of them count the connections and files of the process. */
const turnMs = 5;

/** All metrics of a process, for Prometheus. */
export interface Scrape {
  /** The metrics in Prometheus's text format. Never rejects because of the database. */
  text(): Promise<string>;
  readonly contentType: string;
}

/** `beforeText` updates the metrics that are not kept up to date between scrapes. */
export function createScrape(registry: Registry, beforeText: () => Promise<void>): Scrape {
  return {
    contentType: registry.contentType,
    async text() {
      await beforeText();
      const texts: string[] = [];
      let until = performance.now() + turnMs;
      for (const { name } of registry.getMetricsAsArray()) {
        texts.push(await registry.getSingleMetricAsString(name));
        if (performance.now() < until) continue;
        await setImmediate();
        until = performance.now() + turnMs;
      }
      return `${texts.join('\n\n')}\n`;
    },
  };
}
