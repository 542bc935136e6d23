import type { RequestHandler } from 'express';

const exposed =
  'Link, Location, Content-Disposition, Trailer, WWW-Authenticate, X-Request-Id, RateLimit, RateLimit-Policy, Retry-After, ' +
  'Preference-Applied, Auditbox-Replica-Lag-Ms, Auditbox-Receipt, Auditbox-Checkpoint, Auditbox-Record-Begins-At';
const allowed =
  'authorization, content-type, content-encoding, prefer, idempotency-key, x-request-id, traceparent, tracestate';

/** Lets pages of these origins call the api (https://fetch.spec.whatwg.org/#http-cors-protocol). Keys are never sent by themselves. */
export function allowOrigins(origins: readonly string[]): RequestHandler {
  const known = new Set(origins);
  return (request, response, next) => {
    response.vary('Origin');
    const { origin } = request.headers;
    if (origin === undefined || !known.has(origin)) return next();
    response.setHeader('access-control-allow-origin', origin);
    response.setHeader('access-control-expose-headers', exposed);
    if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined) return next();
    response.setHeader('access-control-allow-methods', 'GET, HEAD, POST, DELETE');
    response.setHeader('access-control-allow-headers', allowed);
    response.setHeader('access-control-max-age', '600');
    response.writeHead(204).end();
  };
}
