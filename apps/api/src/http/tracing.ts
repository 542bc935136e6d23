import type { Tracing } from '@auditbox/process/tracing.ts';
import type { RequestHandler, Response } from 'express';
import { routeTemplate } from './route-template.ts';

/**
 * Makes a span for each request, in its caller's trace. The names of attributes are OpenTelemetry's. A span never holds
 * the query or a header.
 */
export function traceRequests(tracing: Tracing): RequestHandler {
  return (request, response, next) => {
    const { method, headers } = request;
    const span = tracing.begin('server', method, { 'http.request.method': method }, headers);
    response.locals.traceparent = span.traceparent;
    response.once('close', () => {
      const route = routeTemplate(request);
      const { statusCode: status, writableFinished } = response;
      const failure = writableFinished
        ? status >= 500
          ? `status ${status}`
          : undefined
        : 'the caller closed the connection';
      span.end({
        name: `${method} ${route}`,
        attributes: { 'http.route': route, 'http.response.status_code': status },
        ...(failure !== undefined && { failure }),
      });
    });
    next();
  };
}

/** Where the request that `response` answers is traced; undefined if it is not. */
export function getTraceparent(response: Response): string | undefined {
  return response.locals.traceparent as string | undefined;
}
