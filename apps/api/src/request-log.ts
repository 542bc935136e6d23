import type { RequestHandler } from 'express';
import type { Logger } from 'pino';

/** One line a request once it is answered: refusals at info, the rest at debug. Never the query or a header. */
export function requestLog(logger: Logger): RequestHandler {
  return (request, response, next) => {
    const startedAt = performance.now();
    const { method, path } = request;
    response.once('close', () => {
      if (response.statusCode < 400 && !logger.isLevelEnabled('debug')) return;
      const ms = Math.round(performance.now() - startedAt);
      const { statusCode: status, writableFinished: answered } = response;
      logger[status >= 400 ? 'info' : 'debug']({ method, path, status, ms, answered }, 'Request.');
    });
    next();
  };
}
