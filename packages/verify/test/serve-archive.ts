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
  /** Answers a request in place of the store; false: the store answers. */
  readonly intervene?: (response: ServerResponse, asked: Asked) => boolean;
  /** Answers with a file. */
  readonly answer?: (response: ServerResponse, path: string, body: Buffer) => void;
}

interface Asked {
  /** Empty for a listing. */
  readonly path: string;
  readonly query: URLSearchParams;
}

/** A store with the files of an archive. */
export async function serveArchive({ folder }: TestArchive, options: Serving = {}) {
  const { later = null, listing, encodeKey = (key: string) => key, answer = sendWhole } = options;
  const intervene = options.intervene ?? (() => false);
  const listFiles = () => globSync('**', { cwd: folder }).filter((path) => statSync(join(folder, path)).isFile());

  /** What a delete marker hides is in no listing of objects. */
  const isHidden = (path: string) => later?.some((one) => one.path === path && one.kind === 'DeleteMarker') === true;

  function listVersions(response: ServerResponse, prefix: string): ServerResponse {
    if (later === null) return response.writeHead(501).end();
    const hidden = new Set(later.map(({ path }) => path));
    const show = (kind: string, path: string, id: string, isLatest: boolean) =>
      `<${kind}><Key>${encodeKey(path)}</Key><VersionId>${id}</VersionId><IsLatest>${isLatest}</IsLatest></${kind}>`;
    const rows = [
      ...later.filter(({ path }) => path.startsWith(prefix)).map(({ path, kind }) => show(kind, path, '2', true)),
      ...listFiles()
        .filter((path) => path.startsWith(prefix))
        .map((path) => show('Version', path, '1', !hidden.has(path))),
    ];
    return response.end(`<ListVersionsResult><IsTruncated>false</IsTruncated>${rows.join('')}</ListVersionsResult>`);
  }

  // Connections are kept until the store is closed: a test may pause between two requests for as long as it likes.
  const server = createServer({ keepAliveTimeout: 0 }, ({ url = '' }, response) => {
    const { pathname, searchParams } = new URL(url, 'http://store');
    const path = decodeURIComponent(pathname).replace('/bucket/', '');
    if (intervene(response, { path, query: searchParams })) return response;
    const prefix = searchParams.get('prefix') ?? '';
    if (searchParams.has('versions')) return listVersions(response, prefix);
    if (searchParams.has('list-type')) {
      if (listing !== undefined) return response.end(listing);
      const files = listFiles().filter((path) => path.startsWith(prefix) && !isHidden(path));
      const rows = files.map((path) => {
        const { size, mtime } = statSync(join(folder, path));
        return `<Contents><Key>${encodeKey(path)}</Key><Size>${size}</Size><LastModified>${mtime.toISOString()}</LastModified></Contents>`;
      });
      return response.end(`<ListBucketResult><IsTruncated>false</IsTruncated>${rows.join('')}</ListBucketResult>`);
    }
    let body: Buffer;
    try {
      if (isHidden(path)) throw new Error('A delete marker hides it.');
      body = readFileSync(join(folder, path));
    } catch {
      return response.writeHead(404).end('<Error><Code>NoSuchKey</Code></Error>');
    }
    response.setHeader('etag', '"9b2cf535f27731c974343645a3985328-3"');
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
