import { within } from '@auditbox/core/within.ts';
import { checkDatabase } from '@auditbox/db/database/check-database.ts';
import { connectDatabase } from '@auditbox/db/database/connect.ts';
import { createContentHasher } from '@auditbox/db/events/content-key.ts';
import { storeEachEvent } from '@auditbox/db/events/store-each.ts';
import { createMonthMaker } from '@auditbox/db/months/month-maker.ts';
import type { Tracing } from '@auditbox/process/tracing.ts';
import { startWatchdog } from '@auditbox/process/watchdog.ts';
import type { Logger } from 'pino';
import { Registry } from 'prom-client';
import { createApp } from './app.ts';
import { createBytesInFlight } from './http/bytes-in-flight.ts';
import { getCaller } from './http/caller.ts';
import { createDenials } from './http/denials.ts';
import { createKeyLimits } from './http/rate-limits.ts';
import { createServer, reloadCertificates } from './http/server.ts';
import { createKeyUses } from './keys/key-use.ts';
import { createKnownKeys } from './keys/known-keys.ts';
import { createApiLog } from './log.ts';
import { createApiMetrics } from './metrics/api-metrics.ts';
import { createApiScrape } from './metrics/api-scrape.ts';
import { createTokenCallers } from './oidc/token-callers.ts';
import type { ApiParts } from './parts.ts';
import { connectReaders } from './read/readers.ts';
import { createApiRedactor } from './redact/redact.ts';
import type { ApiSettings } from './settings.ts';
import { createCoalescer } from './write/coalescer.ts';
import { giveReceipts } from './write/receipts.ts';

const statementTimeoutMs = 10_000;
/** A stopping process waits this long for what it noted of keys. */
const closeFlushMs = 1_000;

/** Two of the ten connections; the other connections are for batches and keys. */
const coalescerLimits = {
  maxFlushes: 2,
  maxEventsPerFlush: 500,
  maxBytesPerFlush: 4 * 1024 * 1024,
  maxWaiting: 5_000,
  maxWaitingBytes: 32 * 1024 * 1024,
};

/** Makes all parts of the api. The server does not listen yet; `close` ends the parts in the reverse order. */
export function composeApi(settings: ApiSettings, logger: Logger, tracing: Tracing | null) {
  const { databaseUrl, databaseSchema: schema, reads } = settings;
  const db = connectDatabase({
    url: databaseUrl,
    schema,
    application: 'auditbox api',
    maxConnections: 10,
    statementTimeoutMs,
    guardsSchema: true,
  });
  const readers = connectReaders({
    primaryUrl: databaseUrl,
    schema,
    replicaUrl: reads.from === 'replica' ? reads.url : null,
    statementTimeoutMs,
  });
  const monthsDb = connectDatabase({
    url: databaseUrl,
    schema,
    application: 'auditbox api months',
    maxConnections: 1,
    statementTimeoutMs,
    guardsSchema: true,
  });
  const keysDb = connectDatabase({
    url: databaseUrl,
    schema,
    application: 'auditbox api keys',
    maxConnections: 2,
    statementTimeoutMs,
  });
  const months = createMonthMaker(monthsDb);
  const registry = new Registry();
  const metrics = createApiMetrics(registry);
  const coalescer = createCoalescer(
    async (events) => giveReceipts(await storeEachEvent(db, events, months), settings.receiptSigner),
    coalescerLimits,
    metrics.flushed,
  );
  const scrape = createApiScrape(registry, { db, coalescer, readers, limits: coalescerLimits });
  const log = createApiLog(logger);
  const bytesInFlight = createBytesInFlight(settings.bytesInFlight, (response) => getCaller(response).id);
  const keyLimits = createKeyLimits(settings.rateLimits, (response) => getCaller(response).id);
  const keyUses = createKeyUses(keysDb, log.keyUseNotStored);
  const denials = createDenials({ db: keysDb, months }, log.denialsNotStored);
  const parts: ApiParts = {
    settings,
    log,
    metrics,
    scrape,
    tracing,
    db,
    keysDb,
    knownKeys: createKnownKeys(keysDb),
    tokenCallers: settings.oidc === null ? null : createTokenCallers(settings.oidc),
    keyUses,
    denials,
    contentHasher: createContentHasher(keysDb),
    redactor: createApiRedactor(settings.redact),
    months,
    readers,
    coalescer,
    bytesInFlight,
    keyLimits,
  };
  const main = createServer(
    createApp(parts, settings.admin === null ? 'all' : 'callers'),
    settings.connections,
    settings.tls,
  );
  const admin =
    settings.admin === null ? null : createServer(createApp(parts, 'operators'), settings.connections, null);
  const stopReloading =
    settings.tls === null
      ? () => {}
      : reloadCertificates(main.server, settings.tls, {
          onReload: log.certificatesReloaded,
          onError: log.certificatesNotReloaded,
        });
  const watchdog = startWatchdog(
    { canary: () => db.sql`select 1`, answeredAt: () => db.answeredAt },
    { everyMs: 1_000, deadlineMs: statementTimeoutMs + 10_000, logger },
  );
  return {
    main,
    admin,
    log,
    checkReady: () => checkDatabase(db),
    close: async () => {
      watchdog.stop();
      stopReloading();
      keyUses.stop();
      denials.stop();
      await within(closeFlushMs, Promise.all([keyUses.flush(), denials.flush()]), () => {});
      await Promise.all([db.close(1_000), keysDb.close(1_000), monthsDb.close(1_000), readers.close(1_000)]);
    },
  };
}
