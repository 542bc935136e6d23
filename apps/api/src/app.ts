import type { Scope } from '@auditbox/db/keys/api-keys.ts';
import type { Tracing } from '@auditbox/process/tracing.ts';
import express, { type Express, type RequestHandler } from 'express';
import helmet from 'helmet';
import type { Logger } from 'pino';
import { takeBody } from './http/body.ts';
import { HttpProblem, problemHandler } from './http/problem.ts';
import { requestLog } from './http/request-log.ts';
import { traceRequests } from './http/trace-requests.ts';
import type { ApiMetrics } from './metrics/api-metrics.ts';
import { type HealthDependencies, livez, readyz } from './ops/health.ts';
import { type MetricsDependencies, metrics } from './ops/metrics.ts';
import { type OpenapiDocumentDependencies, openapiDocument } from './ops/openapi-document.ts';
import { referencePage } from './ops/reference-page.ts';
import { sayReader } from './read/choose-reader.ts';
import { type GetEventDependencies, getEvent } from './read/event/get-event.ts';
import { type ExportEventsDependencies, exportEvents } from './read/export/export-events.ts';
import { type ObjectHistoryDependencies, objectHistory } from './read/history/object-history.ts';
import { type ListEventsDependencies, listEvents } from './read/list/list-events.ts';
import { type EventStatsDependencies, eventStats } from './read/stats/event-stats.ts';
import { batchTypes, type PostBatchDependencies, postBatch } from './write/post-batch.ts';
import { type PostEventDependencies, postEvent } from './write/post-event.ts';

export interface AppDependencies
  extends PostEventDependencies,
    PostBatchDependencies,
    ListEventsDependencies,
    ExportEventsDependencies,
    EventStatsDependencies,
    ObjectHistoryDependencies,
    GetEventDependencies,
    OpenapiDocumentDependencies,
    HealthDependencies,
    MetricsDependencies {
  readonly logger: Logger;
  readonly metrics: ApiMetrics;
  readonly tracing: Tracing | null;
  readonly needScope: (scope: Scope) => RequestHandler;
  /** How far the replica that answers reads is behind; null without one. */
  readonly replicaLagMs: () => Promise<number | null>;
}

/** Largest bodies, in bytes, unpacked. A single event larger than a megabyte is a mistake, not a record. */
const maxEventBytes = 1024 * 1024;
const maxBatchBytes = 8 * 1024 * 1024;

/**
 * What matters for answers that are data: no browser may guess their type, run anything in them or show them in a frame.
 * The rest of helmet's headers is about pages, and doubles the bytes of an answer.
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

/** What is asked here is for the caller alone, and moves on with every event. */
const forbidCaching: RequestHandler = (_request, response, next) => {
  response.setHeader('cache-control', 'no-store');
  next();
};

/** The api as an Express application: no listening, no environment. */
export function createApp(dependencies: AppDependencies): Express {
  const { logger, metrics: counted, needScope } = dependencies;
  const app = express();
  app.disable('x-powered-by').disable('etag');
  if (dependencies.tracing !== null) app.use('/audit', traceRequests(dependencies.tracing));
  app.use(requestLog(logger, counted.requestSeconds), securityHeaders, forbidCaching);
  app.get('/livez', livez);
  app.get('/readyz', readyz(dependencies));
  app.get('/metrics', metrics(dependencies));
  app.get('/openapi.json', openapiDocument(dependencies));
  app.use('/docs', referencePage());
  app.use('/audit', sayReader(dependencies.replicaLagMs));
  app
    .route('/audit')
    .post(needScope('write'), takeBody(['application/json'], maxEventBytes), postEvent(dependencies))
    .get(needScope('read'), listEvents(dependencies))
    .all(onlyMethods('GET, POST'));
  app
    .route('/audit/batch')
    .post(needScope('write'), takeBody(batchTypes, maxBatchBytes), postBatch(dependencies))
    .all(onlyMethods('POST'));
  for (const [path, handler] of [
    ['/audit/export', exportEvents(dependencies)],
    ['/audit/stats', eventStats(dependencies)],
    ['/audit/objects/:table_name/:object_id', objectHistory(dependencies)],
  ] as const) {
    app.route(path).get(needScope('read'), handler).all(onlyMethods('GET'));
  }
  app.route('/audit/:id').get(needScope('read'), getEvent(dependencies)).all(onlyMethods('GET'));
  app.use((request) => {
    throw new HttpProblem(404, `There is nothing at ${request.path}.`);
  });
  app.use(problemHandler(logger, counted.refused));
  return app;
}

function onlyMethods(allow: string): RequestHandler {
  return (request) => {
    throw new HttpProblem(405, `${request.method} is not possible here.`, { headers: { allow } });
  };
}
