import { once } from 'node:events';
import { globSync, readFileSync, statSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { S3Source } from '../src/archive/bucket.ts';
import type { TestArchive } from './make-archive.ts';

interface Serving {
  /** What lies on top of the files: each is a later version of a path. Null: the store cannot list versions. */
  readonly later?: readonly { readonly path: string; readonly kind: 'Version' | 'DeleteMarker' }[] | null;
  /** Every listing of objects. */
  readonly listing?: string;
  /** How a key stands in a listing. */
  readonly encodeKey?: (key: string) => string;
  /** Answers with a file. */
  readonly answer?: (response: ServerResponse, path: string, body: Buffer) => void;
}

/** A store with the files of an archive. */
export async function serveArchive({ folder }: TestArchive, options: Serving = {}) {
  const { later = null, listing, encodeKey = (key: string) => key, answer = sendWhole } = options;
  const listFiles = () => globSync('**', { cwd: folder }).filter((path) => statSync(join(folder, path)).isFile());

  function listVersions(response: ServerResponse): ServerResponse {
    if (later === null) return response.writeHead(501).end();
    const hidden = new Set(later.map(({ path }) => path));
    const rows = [
      ...later.map(({ path, kind }) => `<${kind}><Key>${encodeKey(path)}</Key><IsLatest>true</IsLatest></${kind}>`),
      ...listFiles().map(
        (path) => `<Version><Key>${encodeKey(path)}</Key><IsLatest>${!hidden.has(path)}</IsLatest></Version>`,
      ),
    ];
    return response.end(`<ListVersionsResult><IsTruncated>false</IsTruncated>${rows.join('')}</ListVersionsResult>`);
  }

  const server = createServer(({ url = '' }, response) => {
    const { pathname, searchParams } = new URL(url, 'http://store');
    if (searchParams.has('versions')) return listVersions(response);
    if (searchParams.has('list-type')) {
      if (listing !== undefined) return response.end(listing);
      const files = listFiles().filter((path) => path.startsWith(searchParams.get('prefix') ?? ''));
      const rows = files.map((path) => {
        const { size, mtime } = statSync(join(folder, path));
        return `<Contents><Key>${encodeKey(path)}</Key><Size>${size}</Size><LastModified>${mtime.toISOString()}</LastModified></Contents>`;
      });
      return response.end(`<ListBucketResult><IsTruncated>false</IsTruncated>${rows.join('')}</ListBucketResult>`);
    }
    const path = decodeURIComponent(pathname).replace('/bucket/', '');
    let body: Buffer;
    try {
      body = readFileSync(join(folder, path));
    } catch {
      return response.writeHead(404).end();
    }
    return answer(response, path, body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const source: S3Source = {
    kind: 's3',
    ...{ bucket: 'bucket', prefix: '', region: 'us-east-1' },
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ...{ accessKeyId: 'any', secretAccessKey: 'any', sessionToken: null },
  };
  return { source, close: () => server.close() };
}

function sendWhole(response: ServerResponse, _path: string, body: Buffer): void {
  response.end(body);
}
