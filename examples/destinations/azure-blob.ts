import { createHash } from 'node:crypto';
import type { CreateDestination, Finding, Outcome } from '@auditbox/destination-kit/destination.ts';

/*
 * Stores each request as a blob in a container of Azure Storage. Needs no package.
 *
 *   { "name": "blobs", "type": "module", "module": "./azure-blob.ts",
 *     "options": { "container": "https://ACCOUNT.blob.core.windows.net/audit", "sas": "${AZURE_SAS}" } }
 *
 * Give the SAS the rights c and r (create, read) on the container and no other right. Then nothing can be overwritten. The
 * name of a blob is the key of the request. A key always comes with the same bytes, so a blob that is there already is the
 * one that we would write. Its MD5 proves it.
 */

interface Options {
  readonly container: string;
  readonly sas: string;
}

interface Sent {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const version = '2021-12-02';

const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

const create: CreateDestination = (given) => {
  const { container, sas } = given as Options;
  if (!container || !sas) throw new Error('The options container and sas are required.');
  const { protocol, hostname, pathname } = URL.canParse(container) ? new URL(container) : new URL('none:');
  if (protocol !== 'https:' && !(protocol === 'http:' && loopback.test(hostname)))
    throw new Error('The option container must be an https URL. Plain http is accepted on loopback only.');
  const query = sas.replace(/^\?/, '');

  /** Every answer that matters is in the status and the headers. */
  async function send(method: 'PUT' | 'HEAD', name: string, signal: AbortSignal, sent?: Sent): Promise<Response> {
    const { headers, ...body } = sent ?? {};
    const answer = await fetch(`${container}/${name}?${query}`, {
      method,
      headers: { 'x-ms-version': version, ...headers },
      ...{ ...body, signal, redirect: 'error' },
    });
    await answer.body?.cancel();
    return answer;
  }

  const codeOf = ({ status, headers }: Response) => headers.get('x-ms-error-code') ?? String(status);

  /** Why Azure refused a request, and what to do. */
  function explain(answer: Response): string {
    const says = `Azure answered ${answer.status} ${codeOf(answer)}.`;
    if (codeOf(answer) === 'ContainerNotFound') return `${says} Create the container ${pathname.split('/').at(-1)}.`;
    if (answer.status !== 403) return says;
    const expires = new URLSearchParams(query).get('se') ?? '';
    if (Date.parse(expires) <= Date.now()) return `${says} The SAS expired at ${expires}.`;
    return `${says} The SAS is wrong, or it lacks the rights c and r on this container.`;
  }

  return {
    limits: { maxRows: 50_000, maxBytes: 4_000_000, maxRowBytes: 20_000_000 },
    async deliver({ key, rows }, signal): Promise<Outcome> {
      // `<destination>/<batch>-<seal>/<first row>`; padded, so that a list of the blobs is in the order of the batches.
      const name = `${key.replace(/(?<=\/)\d+/g, (digits) => digits.padStart(12, '0'))}.ndjson`;
      const body = rows.map(({ line }) => `${line}\n`).join('');
      const md5 = createHash('md5').update(body).digest('base64');
      const headers = {
        ...{ 'x-ms-blob-type': 'BlockBlob', 'content-type': 'application/x-ndjson' },
        ...{ 'content-md5': md5, 'if-none-match': '*' },
      };
      const answer = await send('PUT', name, signal, { headers, body });
      if (answer.status === 201) return { kind: 'taken' };
      const code = codeOf(answer);
      if (answer.status === 429 || answer.status >= 500 || code === 'Md5Mismatch')
        return { kind: 'retry', code, reason: explain(answer) };
      // Without the right to overwrite, the answer for a blob that is there is a 403 and not a 409.
      if (answer.status === 403 || answer.status === 409) {
        const there = await send('HEAD', name, signal);
        if (there.ok && there.headers.get('content-md5') === md5) return { kind: 'taken' };
        if (there.ok) return { kind: 'blocked', code, reason: `Another blob has the name ${name}.` };
      }
      return { kind: 'blocked', code, reason: explain(answer) };
    },
    /** Looks at a blob that is not there. Azure checks the SAS and the container first. */
    async check(signal): Promise<readonly Finding[]> {
      const answer = await send('HEAD', 'check', signal);
      if (answer.ok || codeOf(answer) === 'BlobNotFound') return [];
      return [{ says: explain(answer), stopsDelivery: true }];
    },
    close: async () => {},
  };
};

export default create;
