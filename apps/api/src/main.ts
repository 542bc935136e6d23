import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { explainUnready } from '@auditbox/db/database/check-database.ts';
import { createLogger } from '@auditbox/process/logger.ts';
import { leaveWith, runMain } from '@auditbox/process/run-main.ts';
import { listenForShutdown, untilAborted } from '@auditbox/process/shutdown.ts';
import { startTracing } from '@auditbox/process/tracing.ts';
import { composeApi } from './compose.ts';
import { createApiLog } from './log.ts';
import { type ApiSettings, readApiSettings } from './settings.ts';

/** Below the ten seconds that Docker waits before it kills. */
const stopGraceMs = 8_000;

const settings = readSettings();
const logger = createLogger('api', settings.logLevel);
const log = createApiLog(logger);

runMain(logger, async () => {
  const tracing = await startTracing('auditbox-api', settings.tracesEndpoint, log.tracesNotSent);
  const { server, checkReady, close } = composeApi(settings, logger, tracing);
  const shutdown = listenForShutdown(logger, stopGraceMs);
  const { host, port: wantedPort } = settings.listen;
  server.listen(wantedPort, host);
  await once(server, 'listening').catch((error: Error) => leaveWith(`The api cannot listen: ${error.message}.`));
  const { port } = server.address() as AddressInfo;
  log.listening({ host, port });
  void checkReady().then(
    (warning) => warning !== null && log.databaseNeedsCare(warning),
    (error: unknown) => log.databaseNotReady(explainUnready(error)),
  );

  await untilAborted(shutdown.taking);
  shutdown.working.addEventListener('abort', () => server.closeAllConnections());
  server.close();
  server.closeIdleConnections();
  await once(server, 'close');
  await close();
  log.stopped();
});

function readSettings(): ApiSettings {
  try {
    return readApiSettings(process.env);
  } catch (error) {
    leaveWith(error);
  }
}
