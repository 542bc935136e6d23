import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import helmet from 'helmet';
import type { RequestStep } from './request-step.ts';

/**
 * For answers that are data: a browser must not guess their type, run anything in them, show them in a frame, hand them to
 * another site or tell another site where they came from. helmet's other headers are for pages and would double the bytes of
 * an answer.
 */
const securityHeaders = (overTls: boolean) =>
  helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { 'default-src': ["'none'"], 'frame-ancestors': ["'none'"] },
    },
    crossOriginResourcePolicy: { policy: 'same-origin' },
    referrerPolicy: { policy: 'no-referrer' },
    // Over plain HTTP browsers ignore it, and a proxy with TLS in front decides for its own name.
    strictTransportSecurity: overTls ? { maxAge: 31_536_000, includeSubDomains: false } : false,
    xFrameOptions: { action: 'deny' },
    crossOriginOpenerPolicy: false,
    originAgentCluster: false,
    xDnsPrefetchControl: false,
    xDownloadOptions: false,
    xPermittedCrossDomainPolicies: false,
    xXssProtection: false,
  });

/** The headers that all answers have. They are the same for each request, so helmet is called once. */
export function listCommonHeaders(overTls: boolean): ReadonlyMap<string, string> {
  const sample = new ServerResponse(new IncomingMessage(new Socket()));
  securityHeaders(overTls)(sample.req, sample, () => {});
  // Answers are for one caller and change with every event.
  sample.setHeader('cache-control', 'no-store');
  return new Map(Object.entries(sample.getHeaders() as Record<string, string>));
}

/** Sets them. */
export function setCommonHeaders(overTls: boolean): RequestStep {
  const headers = new Map(listCommonHeaders(overTls));
  return (_request, response) => {
    response.setHeaders(headers);
  };
}
