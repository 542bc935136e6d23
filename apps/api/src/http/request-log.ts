import type { ApiParts } from '../parts.ts';
import { getRequestId } from './request-id.ts';
import type { RequestStep } from './request-step.ts';

/** Logs and measures a request when its connection is done with it. */
export function logRequest({ log, metrics }: Pick<ApiParts, 'log' | 'metrics'>): RequestStep {
  return (request, response) => {
    const startedAt = performance.now();
    const { method, path } = request;
    response.on('close', () => {
      const ms = performance.now() - startedAt;
      metrics.requestSeconds(request, response, ms / 1000);
      const { statusCode: status, writableFinished: answered } = response;
      log.request({
        method,
        path,
        requestId: getRequestId(response),
        status,
        ms: Math.round(ms),
        answered,
      });
    });
  };
}
