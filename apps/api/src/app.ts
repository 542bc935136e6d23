import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';
import helmet from 'helmet';
import { createAuth } from './http/auth.ts';
import { readBody } from './http/body.ts';
import { openapiDocument } from './http/openapi.ts';
import { answerProblems, countRejects, HttpProblem } from './http/problem.ts';
import { logRequests } from './http/request-log.ts';
import type { Route } from './http/route.ts';
import { traceRequests } from './http/tracing.ts';
import { referencePages } from './ops/reference-pages.ts';
import type { ApiParts } from './parts.ts';
import { routes } from './routes.ts';

/** The api as an Express application. It does not listen and reads no environment. */
export function createApp(parts: ApiParts): Express {
  const app = express();
  app.disable('x-powered-by').disable('etag');
  if (parts.tracing !== null) app.use('/audit', traceRequests(parts.tracing));
  app.use(logRequests(parts), securityHeaders, forbidCaching);
  app.use(referencePages(openapiDocument(routes, parts.settings.actions)));
  mountRoutes(app, parts);
  app.use((request) => {
    throw new HttpProblem(404, `There is nothing at ${request.path}.`);
  });
  app.use(answerProblems(parts.log));
  return app;
}

/** A method that a path does not have is a 405, also where a later path would match. */
function mountRoutes(app: Express, parts: ApiParts): void {
  const requireScope = createAuth(parts);
  const handle = (route: Route): (RequestHandler | ErrorRequestHandler)[] => [
    ...(route.access === 'public' ? [] : [requireScope(route.access)]),
    ...(route.body ? readBody(route.body) : []),
    route.createHandler(parts),
    ...(route.access === 'write' ? [countRejects(parts.metrics.rejected)] : []),
  ];
  for (const [path, routesAtPath] of Map.groupBy(routes, (route) => route.path)) {
    const place = app.route(path);
    for (const route of routesAtPath) place[route.method](...handle(route));
    place.all(rejectMethod(routesAtPath.map(({ method }) => method.toUpperCase()).sort()));
  }
}

function rejectMethod(allowed: readonly string[]): RequestHandler {
  return (request) => {
    throw new HttpProblem(405, `${request.path} does not support ${request.method}.`, {
      headers: { allow: allowed.join(', ') },
    });
  };
}

/**
 * For answers that are data: a browser must not guess their type, run anything in them or show them in a frame. helmet's
 * other headers are for pages and would double the bytes of an answer.
 */
const securityHeaders = helmet({
  contentSecurityPolicy: {
    useDefaults: false,
    directives: { 'default-src': ["'none'"], 'frame-ancestors': ["'none'"] },
  },
  crossOriginOpenerPolicy: false,
  crossOriginResourcePolicy: false,
  originAgentCluster: false,
  referrerPolicy: false,
  xDnsPrefetchControl: false,
  xDownloadOptions: false,
  xFrameOptions: false,
  xPermittedCrossDomainPolicies: false,
  xXssProtection: false,
});

/** Answers are for one caller and change with every event. */
const forbidCaching: RequestHandler = (_request, response, next) => {
  response.setHeader('cache-control', 'no-store');
  next();
};
