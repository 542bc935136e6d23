import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { explainUnready } from '@auditbox/db/database/check-database.ts';
import { createLogger } from '@auditbox/process/logger.ts';
import { leaveWith, runMain } from '@auditbox/process/run-main.ts';
import { readSettings } from '@auditbox/process/settings.ts';
import { listenForShutdown, untilAborted } from '@auditbox/process/shutdown.ts';
import { startTracing } from '@auditbox/process/tracing.ts';
import { composeApi } from './compose.ts';
import { type ApiConfig, apiSettings } from './settings.ts';

/** Below the ten seconds that Docker waits before it kills. */
const stopGraceMs = 8_000;

const config = readConfig();
const logger = createLogger('api', config.LOG_LEVEL);

runMain(logger, async () => {
  const tracing = await startTracing('auditbox-api', config.OTEL_EXPORTER_OTLP_ENDPOINT, (fault) =>
    logger.warn({ fault }, 'Traces are not taken.'),
  );
  const { server, checkReady, close } = composeApi(config, logger, tracing);
  const shutdown = listenForShutdown(logger, stopGraceMs);
  server.listen(config.PORT, config.HOST);
  await once(server, 'listening').catch((error: Error) => leaveWith(`The api cannot listen: ${error.message}.`));
  const { port } = server.address() as AddressInfo;
  logger.info({ host: config.HOST, port }, 'The api listens.');
  void checkReady().then(
    (warning) => warning !== null && logger.warn(warning),
    (error: unknown) => logger.warn(`${explainUnready(error)} Until then requests get a 503.`),
  );

  await untilAborted(shutdown.taking);
  shutdown.working.addEventListener('abort', () => server.closeAllConnections());
  server.close();
  server.closeIdleConnections();
  await once(server, 'close');
  await close();
  logger.info('The api has stopped.');
});

function readConfig(): ApiConfig {
  try {
    return readSettings(apiSettings, process.env);
  } catch (error) {
    leaveWith(error);
  }
}
