import type { CreateDestination, Finding, Outcome } from '@auditbox/destination-kit/destination.ts';

/*
 * Stores each request as a blob in a container of Azure Storage. Needs no package.
 *
 *   { "name": "blobs", "type": "module", "module": "./azure-blob.ts",
 *     "options": { "container": "https://ACCOUNT.blob.core.windows.net/audit", "sas": "${AZURE_SAS}" } }
 *
 * The SAS needs the rights c and r (create, read) on the container. The name of a blob is the key of the request. A key
 * always comes with the same bytes, so a blob that is there already is the one that we would write. Nothing is overwritten.
 */

interface Options {
  readonly container: string;
  readonly sas: string;
}

const version = '2021-12-02';

const create: CreateDestination = (given) => {
  const { container, sas } = given as Options;
  if (!container || !sas) throw new Error('The options container and sas are required.');
  const query = sas.replace(/^\?/, '');

  const put = (name: string, body: string, signal: AbortSignal) =>
    fetch(`${container}/${name}?${query}`, {
      method: 'PUT',
      headers: {
        'x-ms-version': version,
        'x-ms-blob-type': 'BlockBlob',
        'content-type': 'application/x-ndjson',
        'if-none-match': '*',
      },
      ...{ body, signal, redirect: 'error' },
    });

  return {
    limits: { maxRows: 50_000, maxBytes: 4_000_000, maxRowBytes: 20_000_000 },
    async deliver({ key, rows }, signal): Promise<Outcome> {
      // `<destination>/<batch>-<seal>/<first row>`; padded, so that a list of the blobs is in the order of the batches.
      const name = key.replace(/(?<=\/)\d+/g, (digits) => digits.padStart(12, '0'));
      const answer = await put(`${name}.ndjson`, rows.map(({ line }) => `${line}\n`).join(''), signal);
      const code = answer.headers.get('x-ms-error-code') ?? String(answer.status);
      await answer.body?.cancel();
      if (answer.status === 201 || code === 'BlobAlreadyExists') return { kind: 'taken' };
      const reason = `Azure answered ${answer.status} ${code}.`;
      if (answer.status === 429 || answer.status >= 500) return { kind: 'retry', code, reason };
      return { kind: 'blocked', code, reason };
    },
    /** Reads a blob that is not there. Azure checks the SAS and the container first. */
    async check(signal): Promise<readonly Finding[]> {
      const answer = await fetch(`${container}/check?${query}`, {
        method: 'HEAD',
        headers: { 'x-ms-version': version },
        signal,
      });
      const code = answer.headers.get('x-ms-error-code');
      if (answer.ok || code === 'BlobNotFound') return [];
      return [{ says: `Azure answered ${answer.status} ${code ?? ''}.`, stopsDelivery: true }];
    },
    close: async () => {},
  };
};

export default create;
