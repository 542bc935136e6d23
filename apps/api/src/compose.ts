import { createServer } from 'node:http';
import { eventReader } from '@auditbox/core/event/read-event.ts';
import { checkDatabase } from '@auditbox/db/database/check-database.ts';
import { connectDatabase } from '@auditbox/db/database/connect.ts';
import { getEvent } from '@auditbox/db/events/get-event.ts';
import { storeEachEvent } from '@auditbox/db/events/store-each.ts';
import { storeAuditEvents } from '@auditbox/db/events/store-events.ts';
import { findKeyScopes } from '@auditbox/db/keys/api-keys.ts';
import { countBy } from '@auditbox/db/queries/count-by.ts';
import { exportCells, exportLines } from '@auditbox/db/queries/export-parts.ts';
import { findEvents } from '@auditbox/db/queries/find-events.ts';
import { recordedEdge } from '@auditbox/db/queries/recorded-edge.ts';
import type { Tracing } from '@auditbox/process/tracing.ts';
import { startWatchdog } from '@auditbox/process/watchdog.ts';
import type { Logger } from 'pino';
import { Registry } from 'prom-client';
import { createApp } from './app.ts';
import { createAuth } from './http/auth.ts';
import { apiDocument } from './http/openapi/document.ts';
import { createApiMetrics } from './metrics/api-metrics.ts';
import { createApiScrape } from './metrics/api-scrape.ts';
import { readFrom } from './read/choose-reader.ts';
import { exportQueryReader } from './read/export/export-query.ts';
import { historyQueryReader } from './read/history/history-query.ts';
import { listQueryReader } from './read/list/list-query.ts';
import { connectReaders } from './read/readers.ts';
import { statsQueryReader } from './read/stats/stats-query.ts';
import type { ApiConfig } from './settings.ts';
import { createCoalescer } from './write/coalescer.ts';

const statementTimeoutMs = 10_000;

/** The rest of the pool is for batches and keys. */
const coalescerLimits = {
  maxFlushes: 2,
  maxEventsPerFlush: 500,
  maxBytesPerFlush: 4 * 1024 * 1024,
  maxWaiting: 5_000,
  maxWaitingBytes: 32 * 1024 * 1024,
};

/** Makes all parts of the api. The server does not listen yet; `close` ends in the reverse order of making. */
export function composeApi(config: ApiConfig, logger: Logger, tracing: Tracing | null) {
  const db = connectDatabase({
    url: config.DATABASE_URL,
    application: 'auditbox api',
    maxConnections: 10,
    statementTimeoutMs,
  });
  const readers = connectReaders({
    primaryUrl: config.DATABASE_URL,
    replicaUrl: config.DATABASE_READ_URL ?? null,
    statementTimeoutMs,
  });
  const { AUDIT_ACTIONS: actions, AUDIT_TOTAL_MAX: totalMax } = config;
  const registry = new Registry();
  const metrics = createApiMetrics(registry);
  const coalescer = createCoalescer((events) => storeEachEvent(db, events), coalescerLimits, metrics.flushed);
  const app = createApp({
    logger,
    metrics,
    tracing,
    scrape: createApiScrape(registry, { db, coalescer, limits: coalescerLimits }),
    metricsToken: config.METRICS_TOKEN,
    needScope: createAuth({ masterKey: config.AUDIT_MASTER_KEY, findScopes: (hash) => findKeyScopes(db, hash) }),
    document: apiDocument(actions),
    readEvent: eventReader(actions),
    readListQuery: listQueryReader(actions),
    readExportQuery: exportQueryReader(actions),
    readStatsQuery: statsQueryReader(actions),
    readHistoryQuery: historyQueryReader(),
    readFrom,
    totalMax,
    write: coalescer.write,
    store: async (events) => {
      const written = await storeAuditEvents(db, events);
      metrics.stored(written);
      return written;
    },
    find: (query, reader) => findEvents(readers.of(reader, query.filter), query),
    get: (id, reader) => getEvent(readers.of(reader), id),
    exportLines: (part, reader) => exportLines(readers.of(reader, part.filter), part),
    exportCells: (part, reader) => exportCells(readers.of(reader, part.filter), part),
    countBy: (query, reader) => countBy(readers.of(reader, query.filter), query),
    replicaLagMs: readers.lagMs,
    recordedEdge: (marginMs) => recordedEdge(readers.of('primary'), marginMs),
    checkReady: () => checkDatabase(db),
  });
  const watchdog = startWatchdog(
    { canary: () => db.sql`select 1`, answeredAt: () => db.answeredAt },
    {
      everyMs: 1_000,
      deadlineMs: statementTimeoutMs + 10_000,
      logger,
    },
  );
  const server = createServer(app);
  return {
    server,
    checkReady: () => checkDatabase(db),
    close: async () => {
      watchdog.stop();
      await Promise.all([db.close(1_000), readers.close(1_000)]);
    },
  };
}
