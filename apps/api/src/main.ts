import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { explainUnready } from '@auditbox/db/database/check-database.ts';
import { exitWith } from '@auditbox/process/exit-with.ts';
import { untilAborted } from '@auditbox/process/shutdown.ts';
import { type Context, start } from '@auditbox/process/start.ts';
import { composeApi } from './compose.ts';
import { type ApiSettings, readApiSettings } from './settings.ts';

start({ service: 'api', read: () => readApiSettings(process.env), run: serve });

/** Answers requests until a signal stops the process. */
async function serve({ settings, logger, tracing, shutdown }: Context<ApiSettings>): Promise<number> {
  const { server, log, checkReady, close } = composeApi(settings, logger, tracing);
  const { host, port: wantedPort } = settings.listen;
  server.listen(wantedPort, host);
  await once(server, 'listening').catch((error: Error) => exitWith(`The api cannot listen: ${error.message}.`));
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
  return 0;
}
