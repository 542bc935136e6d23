import { timingSafeEqual } from 'node:crypto';
import type { Scrape } from '@auditbox/process/metrics/scrape.ts';
import type { RequestHandler } from 'express';
import { bearerOf, hashKey, unauthorized } from '../http/auth.ts';

export interface MetricsDependencies {
  readonly scrape: Scrape;
  /** Undefined: anybody may ask. */
  readonly metricsToken: string | undefined;
}

/** `GET /metrics`: all metrics in Prometheus's text format. */
export function metrics({ scrape, metricsToken }: MetricsDependencies): RequestHandler {
  const wanted = metricsToken === undefined ? null : Buffer.from(hashKey(metricsToken));
  return async (request, response) => {
    const given = bearerOf(request);
    if (wanted !== null && !(given !== undefined && timingSafeEqual(Buffer.from(hashKey(given)), wanted)))
      throw unauthorized('This needs METRICS_TOKEN: Authorization: Bearer TOKEN.');
    response.setHeader('content-type', scrape.contentType);
    response.end(await scrape.text());
  };
}
