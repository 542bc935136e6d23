import express, { type ErrorRequestHandler, type Express, type Request, type RequestHandler } from 'express';
import { createAuth } from './http/auth.ts';
import { readBody } from './http/body.ts';
import { getCaller } from './http/caller.ts';
import { setCommonHeaders } from './http/common-headers.ts';
import { offerGzip } from './http/compress.ts';
import { allowOrigins } from './http/cors.ts';
import { countAnswers } from './http/json.ts';
import { openapiDocument } from './http/openapi.ts';
import { removePrefix } from './http/path-prefix.ts';
import { answerProblems, countRejects, HttpProblem } from './http/problem.ts';
import { limitStrangers, type Quota } from './http/rate-limits.ts';
import { recordReads } from './http/record-reads.ts';
import { identifyRequest } from './http/request-id.ts';
import { logRequest } from './http/request-log.ts';
import { joinSteps } from './http/request-step.ts';
import type { Route } from './http/route.ts';
import { traceRequests } from './http/tracing.ts';
import { referencePages } from './ops/reference-pages.ts';
import { securityText } from './ops/security-text.ts';
import { pageFiles } from './page/page-files.ts';
import type { ApiParts } from './parts.ts';
import { sendCheckpoint } from './read/log-checkpoint.ts';
import { routes } from './routes.ts';

/** What a port serves: everything, or the routes for callers, or those for operators. */
export type Door = 'all' | 'callers' | 'operators';

/** What paths begin with: those of the routes, and those of pages and files. */
const firstParts: ReadonlySet<string> = new Set([
  ...routes.map(({ path }) => path.split('/')[1] ?? ''),
  ...['openapi.json', 'docs', 'ui', '.well-known'],
]);

/** The api as an Express application. It does not listen and reads no environment. */
export function createApp(parts: ApiParts, door: Door): Express {
  const { settings } = parts;
  const app = express();
  app.disable('x-powered-by').disable('etag');
  app.set('trust proxy', settings.trustedProxies.length > 0 ? [...settings.trustedProxies] : false);
  app.use(
    joinSteps(
      removePrefix(settings.pathPrefix, firstParts),
      identifyRequest,
      logRequest(parts),
      // The port for operators speaks plain HTTP.
      setCommonHeaders(settings.tls !== null && door !== 'operators'),
      offerGzip(settings.compresses),
      countAnswers(parts.bytesInFlight),
    ),
  );
  if (parts.tracing !== null) app.use('/audit', traceRequests(parts.tracing));
  if (settings.corsOrigins.length > 0) app.use(allowOrigins(settings.corsOrigins));
  if (settings.securityContact !== null) app.get('/.well-known/security.txt', securityText(settings.securityContact));
  // In front of the pages, because almost all requests are for a route.
  mountRoutes(
    app,
    parts,
    routes.filter(({ path, access }) => isServed(door, path, access)),
  );
  app.get('/', leadTo(`${settings.pathPrefix}${door === 'operators' ? '/docs' : '/ui'}`));
  if (door !== 'callers')
    app.use(referencePages(openapiDocument(routes, settings.actions, settings.pathPrefix), settings.pathPrefix));
  if (door !== 'operators') app.use(pageFiles(settings.pathPrefix, settings.oidc));
  app.use((request) => {
    throw new HttpProblem(404, `There is nothing at ${request.path}.`);
  });
  app.use(answerProblems(parts.log));
  return app;
}

/** Who opens the address of the api without a path finds the page for people. */
function leadTo(location: string): RequestHandler {
  return (request, response, next) => {
    // Express takes targets such as `//` and `http://` for the same path.
    if (!/^\/(?:\?|$)/.test(request.url)) return next();
    response.writeHead(303, { location }).end();
  };
}

/** Health is on both ports: a load balancer asks at the port that it sends callers to. */
function isServed(door: Door, path: string, access: Route['access']): boolean {
  if (door === 'all') return true;
  return door === 'operators' ? access === 'public' : path !== '/metrics';
}

/** A method that a path does not have is a 405, also where a later path would match. */
function mountRoutes(app: Express, parts: ApiParts, served: readonly Route[]): void {
  const { requireScope, requireStillValid } = createAuth(parts);
  const strangers = limitStrangers(parts.settings.rateLimits);
  const use =
    (quota: Quota, amount: (request: Request) => number): RequestHandler =>
    (request, response, next) => {
      parts.keyLimits.use(response, quota, amount(request));
      next();
    };
  // Only for callers with a key: it shows how many batches there are.
  const checkpoint = sendCheckpoint(parts.cells);
  const handle = (route: Route): (RequestHandler | ErrorRequestHandler)[] => [
    ...(route.access === 'public'
      ? []
      : [
          strangers,
          requireScope(route.access),
          checkpoint,
          use('requests', () => 1),
          ...(route.isOfAllTenants ? [requireAllTenants] : []),
          answerHead,
        ]),
    ...(isRead(route.access) && parts.settings.recordsReads ? [recordReads(route.access, parts)] : []),
    ...(route.body
      ? [
          ...readBody(route.body, parts),
          ...(route.access === 'public' ? [] : [requireStillValid(route.access)]),
          use('bytes', ({ body }) => (Buffer.isBuffer(body) ? body.length : 0)),
        ]
      : []),
    route.createHandler(parts),
    ...(route.access === 'audit:write' ? [countRejects(parts.metrics.rejected)] : []),
  ];
  for (const [path, routesAtPath] of Map.groupBy(served, (route) => route.path)) {
    const place = app.route(path);
    for (const route of routesAtPath) place[route.method](...handle(route));
    place.all(rejectMethod(routesAtPath.map(({ method }) => method.toUpperCase()).sort()));
  }
}

function isRead(access: Route['access']): access is 'audit:read' | 'export:read' {
  return access === 'audit:read' || access === 'export:read';
}

/** The export is of all tenants: its errors and keys of objects say something about each. */
const requireAllTenants: RequestHandler = (_request, response, next) => {
  if (getCaller(response).tenant.kind === 'one')
    throw new HttpProblem(403, 'The export is of all tenants, and this key is bound to one.');
  next();
};

/** A HEAD tells that a key may read here. Nothing is read: the answer would be thrown away. */
const answerHead: RequestHandler = (request, response, next) => {
  if (request.method !== 'HEAD') return next();
  response.type('application/json').end();
};

function rejectMethod(allowed: readonly string[]): RequestHandler {
  return (request) => {
    throw new HttpProblem(405, `${request.path} does not support ${request.method}.`, {
      headers: { allow: allowed.join(', ') },
    });
  };
}
