import { createServer } from 'node:http';
import { eventReader } from '@auditbox/core/read-event.ts';
import { checkDatabase } from '@auditbox/db/check-database.ts';
import { connectDatabase } from '@auditbox/db/connect.ts';
import { findEvents } from '@auditbox/db/events/find-events.ts';
import { getEvent } from '@auditbox/db/events/get-event.ts';
import { storeEachEvent } from '@auditbox/db/events/store-each.ts';
import { storeAuditEvents } from '@auditbox/db/events/store-events.ts';
import { findKeyScopes } from '@auditbox/db/keys/api-keys.ts';
import type { Tracing } from '@auditbox/process/tracing.ts';
import { startWatchdog } from '@auditbox/process/watchdog.ts';
import type { Logger } from 'pino';
import { Registry } from 'prom-client';
import { createApp } from './app.ts';
import { createAuth } from './auth.ts';
import { createCoalescer } from './coalescer.ts';
import type { ApiConfig } from './config.ts';
import { listQueryReader } from './list-query.ts';
import { createApiMetrics } from './metrics/api-metrics.ts';
import { createApiScrape } from './metrics/api-scrape.ts';

const statementTimeoutMs = 10_000;

/** The rest of the pool is for reads and batches. */
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
    readEvent: eventReader(config.AUDIT_ACTIONS),
    readQuery: listQueryReader(config.AUDIT_ACTIONS),
    write: coalescer.write,
    store: async (events) => {
      const written = await storeAuditEvents(db, events);
      metrics.stored(written);
      return written;
    },
    find: (query) => findEvents(db, query),
    get: (id) => getEvent(db, id),
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
      await tracing?.close();
      await db.close(1_000);
    },
  };
}
