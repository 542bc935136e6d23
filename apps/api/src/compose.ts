import { within } from '@auditbox/core/within.ts';
import { answerWithinMs } from '@auditbox/db/database/connect.ts';
import { shareConnections } from '@auditbox/process/share-connections.ts';
import type { Tracing } from '@auditbox/process/tracing.ts';
import { startWatchdog } from '@auditbox/process/watchdog.ts';
import type { Logger } from 'pino';
import { Registry } from 'prom-client';
import { createApp, type Door } from './app.ts';
import { createArchiveStore } from './archive/archive-store.ts';
import { openDatabases } from './cells/open-databases.ts';
import { createBytesInFlight } from './http/bytes-in-flight.ts';
import { getCaller } from './http/caller.ts';
import { createDenials } from './http/denials.ts';
import { createKeyLimits } from './http/rate-limits.ts';
import { reloadCertificates } from './http/reload-certificates.ts';
import { createServer } from './http/server.ts';
import type { TlsFiles } from './http/tls-files.ts';
import { createKeyUses } from './keys/key-use.ts';
import { createKnownKeys } from './keys/known-keys.ts';
import { createApiLog } from './log.ts';
import { createApiMetrics } from './metrics/api-metrics.ts';
import { createApiScrape } from './metrics/api-scrape.ts';
import { createTokenCallers } from './oidc/token-callers.ts';
import type { ApiParts } from './parts.ts';
import { createApiRedactor } from './redact/redact.ts';
import type { ApiSettings } from './settings.ts';

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
  deadlineMs: answerWithinMs(statementTimeoutMs),
};

/** Makes all parts of the api. The server does not listen yet; `close` ends the parts in the reverse order. */
export function composeApi(settings: ApiSettings, logger: Logger, tracing: Tracing | null) {
  const registry = new Registry();
  const metrics = createApiMetrics(registry);
  const { reads } = settings;
  const { ownStore, ...databases } = openDatabases(settings.databases, {
    replicaUrl: reads.from === 'replica' ? reads.url : null,
    statementTimeoutMs,
    coalescerLimits,
    onFlushed: metrics.flushed,
    receiptSigner: settings.receiptSigner,
  });
  const { cells, keys, coalescer } = databases;
  const scrape = createApiScrape(registry, { cells, coalescer, limits: coalescerLimits });
  const log = createApiLog(logger);
  const bytesInFlight = createBytesInFlight(settings.bytesInFlight, (response) => getCaller(response).id);
  const keyLimits = createKeyLimits(settings.rateLimits, (response) => getCaller(response).id);
  const keyUses = createKeyUses(keys, log.keyUseNotStored);
  const denials = createDenials(ownStore, log.denialsNotStored);
  const parts: ApiParts = {
    settings,
    log,
    metrics,
    scrape,
    tracing,
    ...databases,
    knownKeys: createKnownKeys(keys),
    tokenCallers: settings.oidc === null ? null : createTokenCallers(settings.oidc),
    keyUses,
    denials,
    redactor: createApiRedactor(settings.redact),
    archive: settings.archive && createArchiveStore(settings.archive),
    bytesInFlight,
    keyLimits,
  };
  const serve = (door: Door, tls: TlsFiles | null) => {
    const app = createApp(parts, door);
    const made = createServer(app, settings.connections, tls);
    const isProxy = (address: string) => app.get('trust proxy fn')(address, 0);
    const share = settings.connections.maxPerAddress;
    shareConnections(made.server, { share, isProxy, onRefused: log.connectionsRefused });
    return made;
  };
  const main = serve(settings.admin === null ? 'all' : 'callers', settings.tls);
  const admin = settings.admin === null ? null : serve('operators', null);
  const stopReloading =
    settings.tls === null
      ? () => {}
      : reloadCertificates(main.server, settings.tls, {
          onReload: log.certificatesReloaded,
          onError: log.certificatesNotReloaded,
        });
  const watchdog = watchDriver(cells, logger);
  return {
    main,
    admin,
    log,
    checkReady: databases.checkReady,
    close: async () => {
      watchdog.stop();
      stopReloading();
      keyUses.stop();
      denials.stop();
      await within(closeFlushMs, Promise.all([keyUses.flush(), denials.flush()]), () => {});
      await Promise.all(cells.map((cell) => cell.close(1_000)));
    },
  };
}

/** The driver may hang with every connection. With several cells one of them may be down for hours; then the others answer. */
function watchDriver(cells: ApiParts['cells'], logger: Logger) {
  return startWatchdog(
    {
      canary: () => Promise.any(cells.map(({ db }) => db.sql`select 1`)),
      answeredAt: () => Math.max(...cells.map(({ db }) => db.answeredAt)),
    },
    { everyMs: 1_000, deadlineMs: statementTimeoutMs + 10_000, logger },
  );
}
