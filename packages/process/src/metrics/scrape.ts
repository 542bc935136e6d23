import type { Registry } from 'prom-client';

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
      return registry.metrics();
    },
  };
}
