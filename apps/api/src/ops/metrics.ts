import { timingSafeEqual } from 'node:crypto';
import { hashApiKey } from '@auditbox/db/keys/key-form.ts';
import { gather } from '@auditbox/process/gather.ts';
import type { Request } from 'express';
import { unauthorized } from '../http/auth.ts';
import { readBearer } from '../http/read-bearer.ts';
import type { Route } from '../http/route.ts';
import type { ApiSettings } from '../settings.ts';

/** `GET /metrics`: all metrics in Prometheus's text format. */
export const metrics: Route = {
  method: 'get',
  path: '/metrics',
  access: 'public',
  problems: [401],
  operation: () => ({
    security: [{}, { metricsToken: [] }],
    operationId: 'metrics',
    summary: "All metrics in Prometheus's text format",
    responses: { 200: { description: 'The metrics.', content: { 'text/plain': { schema: { type: 'string' } } } } },
  }),
  createHandler: ({ scrape, settings }) => {
    const isAllowed = createTokenCheck(settings.metricsAccess);
    // Anybody may ask where there is no token, so callers that ask during a scrape share the next one, and its bytes.
    const share = gather(async (asked: readonly null[]) => {
      const text = Buffer.from(await scrape.text());
      return asked.map(() => text);
    });
    return async (request, response) => {
      if (!isAllowed(request)) throw unauthorized('This route needs METRICS_TOKEN: Authorization: Bearer TOKEN.');
      response.setHeader('content-type', scrape.contentType);
      response.end(await share(null));
    };
  },
};

function createTokenCheck(access: ApiSettings['metricsAccess']): (request: Request) => boolean {
  if (access.kind === 'public') return () => true;
  // Hashes have the same length, which timingSafeEqual needs.
  const expected = Buffer.from(hashApiKey(access.token));
  return (request) => {
    const token = readBearer(request);
    return token !== undefined && timingSafeEqual(Buffer.from(hashApiKey(token)), expected);
  };
}
