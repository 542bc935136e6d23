import type { Registry } from 'prom-client';

/** All metrics of a process, when they are asked for. */
export interface Scrape {
  /** In Prometheus's text format. Never rejects because of the database. */
  text(): Promise<string>;
  readonly contentType: string;
}

/** `beforeText` brings up to date what nobody keeps up to date in between. */
export function createScrape(registry: Registry, beforeText: () => Promise<void>): Scrape {
  return {
    contentType: registry.contentType,
    async text() {
      await beforeText();
      return registry.metrics();
    },
  };
}
