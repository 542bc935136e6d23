import type { RequestHandler } from 'express';
import type { ApiParts } from '../parts.ts';
import { hideSecrets } from '../redact/redact.ts';
import { getRequestId } from './request-id.ts';

/** Logs and measures each request when its connection is done with it. */
export function logRequests({ log, metrics }: Pick<ApiParts, 'log' | 'metrics'>): RequestHandler {
  return (request, response, next) => {
    const startedAt = performance.now();
    const { method, path } = request;
    response.on('close', () => {
      const ms = performance.now() - startedAt;
      metrics.requestSeconds(request, response, ms / 1000);
      const { statusCode: status, writableFinished: answered } = response;
      // The id of an object may be a secret.
      log.request({
        method,
        path: hideSecrets(path),
        requestId: getRequestId(response),
        status,
        ms: Math.round(ms),
        answered,
      });
    });
    next();
  };
}
