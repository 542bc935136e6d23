import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { explainUnready } from '@auditbox/db/database/check-database.ts';
import { exitWith } from '@auditbox/process/exit-with.ts';
import { readSettings } from '@auditbox/process/settings.ts';
import { untilAborted } from '@auditbox/process/shutdown.ts';
import { type Context, start } from '@auditbox/process/start.ts';
import { composeApi } from './compose.ts';
import { type ApiConfig, apiSettings } from './settings.ts';

start({
  service: 'api',
  read() {
    const settings = readSettings(apiSettings, process.env);
    return { ...settings, logLevel: settings.LOG_LEVEL, tracesEndpoint: settings.OTEL_EXPORTER_OTLP_ENDPOINT };
  },
  run: serve,
});

/** Answers requests until a signal stops the process. */
async function serve({ settings, logger, tracing, shutdown }: Context<ApiConfig>): Promise<number> {
  const { server, checkReady, close } = composeApi(settings, logger, tracing);
  server.listen(settings.PORT, settings.HOST);
  await once(server, 'listening').catch((error: Error) => exitWith(`The api cannot listen: ${error.message}.`));
  const { port } = server.address() as AddressInfo;
  logger.info({ host: settings.HOST, port }, 'The api listens.');
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
  return 0;
}
