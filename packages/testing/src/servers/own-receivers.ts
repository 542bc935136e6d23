import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findFreePort } from '@auditbox/embedded/stack/free-port.ts';
import { eventually } from '../expectations/eventually.ts';
import { type App, spawnProgram } from './spawn-app.ts';
import { createAuthority } from './test-authority.ts';

/* Real receivers of destinations, from packages of Debian. Each listens on loopback and keeps its files in its own folder. */

/** Whether Debian's rsyslog and its driver for TLS, rsyslog-gnutls, are installed. */
export const hasRsyslog =
  spawnSync('rsyslogd', ['-v']).status === 0 &&
  ['x86_64', 'aarch64'].some((machine) => existsSync(`/usr/lib/${machine}-linux-gnu/rsyslog/lmnsd_gtls.so`));

/** Whether nats-server is installed. */
export const hasNats = spawnSync('nats-server', ['--version']).status === 0;

/** A receiver that can be taken away and brought back, at the same port, with what it has stored. */
export interface OwnReceiver {
  readonly port: number;
  readonly folder: string;
  stop(): Promise<void>;
  start(): Promise<void>;
  /** SIGSTOP lets it accept connections and not answer. */
  signal(name: NodeJS.Signals): void;
  close(): Promise<void>;
}

/** An rsyslog that takes syslog over TLS, and writes the structured data and the message of each event to a file. */
export async function startOwnRsyslog(): Promise<
  OwnReceiver & { readonly authority: string; read(): Promise<string> }
> {
  const folder = await mkdtemp(join(tmpdir(), 'auditbox-rsyslog-'));
  const port = await findFreePort();
  const authority = await createAuthority();
  const { key, certificate } = await authority.issue({ addresses: ['127.0.0.1'] });
  const file = (name: string) => join(folder, name);
  await writeFile(file('ca.pem'), authority.certificate);
  await writeFile(file('key.pem'), key);
  await writeFile(file('certificate.pem'), certificate);
  await writeFile(
    file('rsyslog.conf'),
    `global(workDirectory="${folder}" maxMessageSize="64k" defaultNetstreamDriver="gtls"
  defaultNetstreamDriverCAFile="${file('ca.pem')}" defaultNetstreamDriverKeyFile="${file('key.pem')}"
  defaultNetstreamDriverCertFile="${file('certificate.pem')}")
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon")
input(type="imtcp" port="${port}" address="127.0.0.1")
template(name="whole" type="string" string="%timereported:::date-rfc3339% %app-name% %structured-data% %msg%\\n")
action(type="omfile" file="${file('received')}" template="whole")
`,
  );
  const args = ['-n', '-f', file('rsyslog.conf'), '-i', file('pid')];
  const receiver = await startOwn({ program: 'rsyslogd', args, port, folder });
  return {
    ...receiver,
    authority: file('ca.pem'),
    read: () => readFile(file('received'), 'utf8').catch(() => ''),
  };
}

/** A nats-server with JetStream, which encrypts with a certificate if it gets one. */
export async function startOwnNats(tls?: { key: string; certificate: string }): Promise<OwnReceiver> {
  const folder = await mkdtemp(join(tmpdir(), 'auditbox-nats-'));
  const port = await findFreePort();
  const args = ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', folder];
  if (tls !== undefined) {
    const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
    await writeFile(key, tls.key);
    await writeFile(certificate, tls.certificate);
    args.push('--tls', '--tlskey', key, '--tlscert', certificate);
  }
  return startOwn({ program: 'nats-server', args, port, folder });
}

/** Starts a program that listens on this port, and waits until it does. */
export async function startOwn({
  program,
  args,
  port,
  folder,
  env = {},
}: {
  program: string;
  args: readonly string[];
  port: number;
  folder: string;
  env?: Record<string, string>;
}): Promise<OwnReceiver> {
  let app: App | null = null;
  const receiver: OwnReceiver = {
    port,
    folder,
    async start() {
      const started = spawnProgram(program, args, { env });
      app = started;
      const failed = started.ended.then((code) => {
        throw new Error(`${program} ended with ${code}:\n${started.output()}`);
      });
      failed.catch(() => {});
      await Promise.race([eventually(() => reach(port)), failed]);
    },
    async stop() {
      app?.signal('SIGTERM');
      await app?.ended;
    },
    signal(name) {
      app?.signal(name);
    },
    async close() {
      app?.signal('SIGKILL');
      await app?.ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
  await receiver.start();
  return receiver;
}

async function reach(port: number): Promise<void> {
  const socket = createConnection(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.destroy();
}
