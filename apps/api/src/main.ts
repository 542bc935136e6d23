import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { endSentence } from '@auditbox/core/text/end-sentence.ts';
import { explainUnready } from '@auditbox/db/database/check-database.ts';
import { formatVerifierKey, type NoteSigner } from '@auditbox/evidence/signed-note.ts';
import { exitWith } from '@auditbox/process/exit-with.ts';
import { untilAborted } from '@auditbox/process/shutdown.ts';
import { type Context, start } from '@auditbox/process/start.ts';
import { parseCommand } from './cli.ts';
import { composeApi } from './compose.ts';
import type { ApiServer } from './http/server.ts';
import { type ApiSettings, readApiSettings } from './settings.ts';

parseCommand(process.argv.slice(2));

start({ service: 'api', read: () => readApiSettings(process.env), run: serve });

/** Answers requests until a signal stops the process. */
async function serve({ settings, logger, tracing, shutdown }: Context<ApiSettings>): Promise<number> {
  const { main, admin, log, checkReady, close } = composeApi(settings, logger, tracing);
  const servers = admin === null ? [main] : [main, admin];
  // Whatever ends the process: an answer that is not complete must not look complete over HTTP/1.0.
  process.once('exit', () => {
    for (const { breakConnections } of servers) breakConnections();
  });
  log.listening(await listen(main.server, settings.listen));
  if (admin !== null && settings.admin !== null) log.adminListening(await listen(admin.server, settings.admin));
  if (settings.masterKey !== null) log.masterKeyIsOn();
  if (settings.receiptSigner !== null) log.receiptsSigned(describeSigner(settings.receiptSigner));
  void checkReady().then(
    (warning) => warning !== null && log.databaseNeedsCare(warning),
    (error: unknown) => log.databaseNotReady(explainUnready(error)),
  );

  await untilAborted(shutdown.taking);
  await Promise.all(servers.map((server) => stop(server, shutdown.working)));
  await close();
  log.stopped();
  return 0;
}

function describeSigner({ key }: NoteSigner): { readonly origin: string; readonly key: string } {
  return { origin: key.name, key: formatVerifierKey(key) };
}

interface Address {
  readonly host: string;
  readonly port: number;
}

async function listen(server: Server, { host, port: wantedPort }: Address): Promise<Address> {
  server.listen(wantedPort, host);
  await once(server, 'listening').catch((error: Error) =>
    exitWith(`The api cannot listen: ${endSentence(error.message)}`),
  );
  const { port } = server.address() as AddressInfo;
  return { host, port };
}

/** Waits for the requests in progress until `working` is aborted. */
async function stop({ server, close, breakConnections }: ApiServer, working: AbortSignal): Promise<void> {
  working.addEventListener('abort', breakConnections);
  close();
  await once(server, 'close');
}
