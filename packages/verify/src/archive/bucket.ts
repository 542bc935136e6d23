import { createHash, createHmac } from 'node:crypto';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { type Archive, type ArchivedFile, ArchiveError, type FileVersion, type FilledMemory } from './archive.ts';

/** A bucket of S3 or a compatible store. */
export interface S3Source {
  readonly kind: 's3';
  readonly bucket: string;
  readonly prefix: string;
  readonly region: string;
  /** Such as https://s3.eu-central-1.amazonaws.com. The bucket is part of the path. */
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | null;
}

const tries = 4;
const firstRetryMs = 500;

/** Reads a bucket with the requests that S3 signs (Signature Version 4), so that no package is needed. */
export function openBucket(source: S3Source): Archive {
  const { bucket, prefix, endpoint } = source;

  async function get(key: string, query: Readonly<Record<string, string>> = {}): Promise<Response | null> {
    const url = new URL(`${endpoint.replace(/\/$/, '')}/${bucket}/${encodePath(key)}`);
    url.search = canonicalQuery(query);
    for (let left = tries - 1; ; left -= 1) {
      try {
        const response = await fetch(url, { headers: signed(source, url) });
        if (response.ok) return response;
        if (response.status === 404 && key !== '') return null;
        const says = /<Code>([^<]+)/.exec(await response.text())?.[1] ?? 'no reason';
        if (response.status === 501) return null;
        if (left === 0 || response.status < 500)
          throw new ArchiveError(`The store answered ${response.status} (${says}) to ${url.pathname}.`);
      } catch (error) {
        if (error instanceof ArchiveError) throw error;
        if (left === 0)
          throw new ArchiveError(`The store at ${endpoint} cannot be reached: ${(error as Error).message}.`);
      }
      await new Promise((resolve) => setTimeout(resolve, firstRetryMs * 2 ** (tries - 1 - left)));
    }
  }

  async function* listPages(
    query: Readonly<Record<string, string>>,
    next: (page: string) => Record<string, string> | null,
  ) {
    for (let more: Record<string, string> | null = {}; more !== null; ) {
      const page: string = (await (await get('', { ...query, ...more }))?.text()) ?? '';
      yield page;
      more = /<IsTruncated>true</.test(page) ? next(page) : null;
    }
  }

  async function* list(folder: string): AsyncIterable<ArchivedFile> {
    const query = { 'list-type': '2', prefix: `${prefix}${folder}` };
    for await (const page of listPages(query, (text) => ({
      'continuation-token': field(text, 'NextContinuationToken'),
    }))) {
      for (const [, content = ''] of page.matchAll(/<Contents>(.*?)<\/Contents>/gs)) {
        yield {
          path: field(content, 'Key').slice(prefix.length),
          bytes: Number(field(content, 'Size')),
          modifiedAt: Date.parse(field(content, 'LastModified')),
        };
      }
    }
  }

  async function* listVersions(): AsyncIterable<FileVersion> {
    const next = (text: string) => ({
      'key-marker': field(text, 'NextKeyMarker'),
      'version-id-marker': field(text, 'NextVersionIdMarker'),
    });
    for await (const page of listPages({ versions: '', prefix }, next)) {
      const versions = [...page.matchAll(/<(Version|DeleteMarker)>(.*?)<\/\1>/gs)].map(([, tag, content = '']) => ({
        kind: tag === 'Version' ? ('version' as const) : ('delete marker' as const),
        path: field(content, 'Key').slice(prefix.length),
        isLatest: field(content, 'IsLatest') === 'true',
      }));
      yield* versions.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
    }
  }

  return {
    list,
    async read(path) {
      const response = await get(`${prefix}${path}`);
      return response && Buffer.from(await response.arrayBuffer());
    },
    async readInto(path, memory) {
      const response = await get(`${prefix}${path}`);
      return response?.body ? fill(memory, response.body) : null;
    },
    async stream(path) {
      const response = await get(`${prefix}${path}`);
      return response?.body ? Readable.fromWeb(response.body as ReadableStream) : null;
    },
    listVersions,
  };
}

async function fill(memory: Buffer, body: AsyncIterable<Uint8Array>): Promise<FilledMemory> {
  let [kept, more] = [0, 0];
  for await (const part of body) {
    const fits = part.subarray(0, memory.length - kept);
    memory.set(fits, kept);
    kept += fits.length;
    more += part.length - fits.length;
  }
  return { kept, more };
}

function field(xml: string, name: string): string {
  const text = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1] ?? '';
  return text.replaceAll('&quot;', '"').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

function encodePath(key: string): string {
  return key.split('/').map(encode).join('/');
}

function canonicalQuery(query: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(query).sort(([a], [b]) => (a < b ? -1 : 1));
  return pairs.map(([name, value]) => `${encode(name)}=${encode(value)}`).join('&');
}

const emptyHash = createHash('sha256').digest('hex');

function signed(source: S3Source, url: URL): Record<string, string> {
  const time = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '');
  const scope = `${time.slice(0, 8)}/${source.region}/s3/aws4_request`;
  const headers: Record<string, string> = {
    host: url.host,
    'x-amz-content-sha256': emptyHash,
    'x-amz-date': time,
    ...(source.sessionToken !== null && { 'x-amz-security-token': source.sessionToken }),
  };
  const names = Object.keys(headers).sort();
  const canonical = [
    ...['GET', url.pathname, url.search.slice(1)],
    ...names.map((name) => `${name}:${headers[name]}`),
    ...['', names.join(';'), emptyHash],
  ].join('\n');
  const text = `AWS4-HMAC-SHA256\n${time}\n${scope}\n${createHash('sha256').update(canonical).digest('hex')}`;
  const hmac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data).digest();
  const key = scope.split('/').reduce<string | Buffer>(hmac, `AWS4${source.secretAccessKey}`);
  const signature = createHmac('sha256', key).update(text).digest('hex');
  const { host: _, ...sent } = headers;
  const authorization = `AWS4-HMAC-SHA256 Credential=${source.accessKeyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
  return { ...sent, authorization };
}
