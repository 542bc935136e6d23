import { createHmac, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findFreePort } from '@auditbox/embedded/stack/free-port.ts';
import { type OwnReceiver, startOwn } from './own-receivers.ts';

/*
 * Its package.json replaces two dependencies by old versions, which need 280 MB less: one sends telemetry, which is off here, and one
 * is for SQL Server, which is not used.
 */
const main = fileURLToPath(new URL('azurite/node_modules/azurite/dist/src/blob/main.js', import.meta.url));

/** Whether Azurite is installed. `npm ci` in the root folder does not install it. */
export const hasAzurite = existsSync(main);

export const howToInstallAzurite = 'npm ci --ignore-scripts --prefix packages/testing/src/servers/azurite';

/** A blob as it is stored. */
interface StoredBlob {
  readonly name: string;
  readonly text: string;
  /** Changes when the blob is written again. */
  readonly etag: string;
}

/** Microsoft's own double of Azure Storage. */
export interface OwnAzurite extends OwnReceiver {
  /** Makes a container, and returns its URL. */
  makeContainer(name: string): Promise<string>;
  /** A SAS for a container, whether it is there or not. The defaults are an hour from now and the rights to create and read. */
  sas(container: string, given?: { readonly expires?: Date; readonly rights?: string }): string;
  /** The names of all blobs of a container, in Azure's order. */
  names(container: string): Promise<string[]>;
  read(container: string, name: string): Promise<StoredBlob>;
}

const version = '2021-12-02';
const hourMs = 3_600_000;

/** Azure's times have no fractions of a second. */
const azureTime = (time: Date) => `${time.toISOString().slice(0, 19)}Z`;

/** Starts Azurite's blob service with an account and a key that nobody else knows. */
export async function startOwnAzurite(): Promise<OwnAzurite> {
  const folder = await mkdtemp(join(tmpdir(), 'auditbox-azurite-'));
  const port = await findFreePort();
  const account = 'auditbox';
  const key = randomBytes(64);
  const args = ['--blobHost', '127.0.0.1', '--blobPort', String(port), '--location', folder, '--silent'];
  const receiver = await startOwn({
    program: process.execPath,
    args: [main, ...args, '--disableTelemetry'],
    env: { AZURITE_ACCOUNTS: `${account}:${key.toString('base64')}` },
    ...{ port, folder },
  });
  const url = (path: string) => `http://127.0.0.1:${port}/${account}/${path}`;
  const sign = (texts: readonly string[]) => createHmac('sha256', key).update(texts.join('\n')).digest('base64');

  /** A SAS for everything in the account. */
  function accountSas(): string {
    const [rights, services, types] = ['rwlc', 'b', 'sco'];
    const expires = azureTime(new Date(Date.now() + hourMs));
    const sig = sign([account, rights, services, types, '', expires, '', '', version, '', '']);
    return new URLSearchParams({ sv: version, ss: services, srt: types, sp: rights, se: expires, sig }).toString();
  }

  async function ask(path: string, query: string, method = 'GET'): Promise<Response> {
    const answer = await fetch(`${url(path)}?${query}&${accountSas()}`, {
      method,
      headers: { 'x-ms-version': version },
    });
    if (!answer.ok) throw new Error(`Azurite answered ${answer.status} to ${path}: ${await answer.text()}`);
    return answer;
  }

  return {
    ...receiver,
    async makeContainer(name) {
      await ask(name, 'restype=container', 'PUT');
      return url(name);
    },
    sas(container, { expires = new Date(Date.now() + hourMs), rights = 'cr' } = {}) {
      const until = azureTime(expires);
      const none = ['', '', '', '', '', '', ''];
      const sig = sign([...[rights, '', until, `/blob/${account}/${container}`, '', '', '', version, 'c'], ...none]);
      return new URLSearchParams({ sv: version, sr: 'c', sp: rights, se: until, sig }).toString();
    },
    async names(container) {
      const list = await ask(container, 'restype=container&comp=list').then((answer) => answer.text());
      return [...list.matchAll(/<Name>([^<]+)<\/Name>/g)].map(([, name = '']) => name);
    },
    async read(container, name) {
      const answer = await ask(`${container}/${name}`, '');
      return { name, text: await answer.text(), etag: answer.headers.get('etag') ?? '' };
    },
  };
}
