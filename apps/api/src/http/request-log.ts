import type { RequestHandler } from 'express';
import type { Logger } from 'pino';
import type { RequestSeconds } from '../metrics/request-seconds.ts';

/** One line a request once it is answered, and its time: refusals at info, the rest at debug. Never the query or a header. */
export function requestLog(logger: Logger, requestSeconds: RequestSeconds): RequestHandler {
  return (request, response, next) => {
    const startedAt = performance.now();
    const { method, path } = request;
    response.once('close', () => {
      const tookMs = performance.now() - startedAt;
      requestSeconds(request, response, tookMs / 1000);
      if (response.statusCode < 400 && !logger.isLevelEnabled('debug')) return;
      const ms = Math.round(tookMs);
      const { statusCode: status, writableFinished: answered } = response;
      logger[status >= 400 ? 'info' : 'debug']({ method, path, status, ms, answered }, 'Request.');
    });
    next();
  };
}
