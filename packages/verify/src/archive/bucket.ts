import { createHash, createHmac } from 'node:crypto';
import {
  type Archive,
  type ArchivedFile,
  ArchiveError,
  FileRefusedError,
  type FileVersion,
  type FilledMemory,
  mostSmallBytes,
} from './archive.ts';

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
        const response = await fetch(url, { headers: signed(source, url), redirect: 'manual' });
        if (response.ok) return response;
        const problem = { status: response.status, body: await response.text() };
        if (isMissing(problem) && key !== '') return null;
        if (response.status === 501 && 'versions' in query) return null;
        if (left === 0 || (response.status < 500 && response.status !== 429))
          throw explainProblem(problem, { path: url.pathname, isFile: key !== '', source });
      } catch (error) {
        if (error instanceof ArchiveError) throw error;
        if (left === 0)
          throw new ArchiveError(`The store at ${endpoint} cannot be reached: ${(error as Error).message}.`);
      }
      await new Promise((resolve) => setTimeout(resolve, firstRetryMs * 2 ** (tries - 1 - left)));
    }
  }

  /** A small body, read again when the network cut it, or when it is not whole. */
  async function getSmall(
    key: string,
    query: Readonly<Record<string, string>> = {},
    isWhole: (body: Buffer) => boolean = () => true,
  ): Promise<Buffer | null> {
    let problem = 'it is not whole';
    for (let left = tries; left > 0; left -= 1) {
      const response = await get(key, query);
      if (response === null) return null;
      try {
        const body = await readSmall(response.body ?? []);
        if (isWhole(body)) return body;
      } catch (error) {
        problem = (error as Error).message;
      }
    }
    throw new ArchiveError(`${key === '' ? 'The listing of the store' : key} cannot be read to its end: ${problem}.`);
  }

  async function* listPages(
    query: Readonly<Record<string, string>>,
    next: (page: string) => Readonly<Record<string, string>>,
  ) {
    const seen = new Set<string>();
    for (let more: Readonly<Record<string, string>> = {}; ; ) {
      // Null: the store has no such listing.
      const page = (await getSmall('', { ...query, ...more }, isListing))?.toString() ?? '';
      yield page;
      if (!/<IsTruncated>true</.test(page)) return;
      const begin = next(page);
      const place = JSON.stringify(begin);
      if (Object.values(begin)[0] === '' || seen.has(place))
        throw new ArchiveError('The store says that its listing goes on, and not where.');
      seen.add(place);
      more = begin;
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
    read: (path) => getSmall(`${prefix}${path}`),
    async readInto(path, memory) {
      const response = await get(`${prefix}${path}`);
      return response?.body ? fill(memory, response.body) : null;
    },
    listVersions,
  };
}

/** An answer other than success. */
interface Problem {
  readonly status: number;
  readonly body: string;
}

function isMissing({ status, body }: Problem): boolean {
  return status === 404 && field(body, 'Code') !== 'NoSuchBucket';
}

/** Codes that refuse every request, whatever is asked for. */
const refusesAll = new Set([
  ...['AccountProblem', 'AllAccessDisabled', 'ExpiredToken', 'InvalidAccessKeyId', 'InvalidClientTokenId'],
  ...['InvalidToken', 'NotSignedUp', 'SignatureDoesNotMatch', 'TokenRefreshRequired', 'InvalidSecurity'],
]);
const otherRegion = new Set([
  'AuthorizationHeaderMalformed',
  'PermanentRedirect',
  'IllegalLocationConstraintException',
]);

function explainProblem(
  { status, body }: Problem,
  { path, isFile, source }: { readonly path: string; readonly isFile: boolean; readonly source: S3Source },
): ArchiveError {
  const code = field(body, 'Code') || 'no reason';
  const says = `The store answered ${status} (${code}) to ${path}.`;
  if (otherRegion.has(code) || (status >= 300 && status < 400)) {
    const region = field(body, 'Region') || field(body, 'Endpoint');
    return new ArchiveError(
      `The bucket is in another region${region === '' ? '' : ` (${region})`} than ${source.region}: set S3_REGION, and S3_ENDPOINT if it is set. ${says}`,
    );
  }
  if (code === 'RequestTimeTooSkewed')
    return new ArchiveError(`The clock of this machine differs too much from the clock of the store. ${says}`);
  if (code === 'InvalidObjectState')
    return new FileRefusedError(
      `It is archived (${field(body, 'StorageClass') || 'Glacier'}) and cannot be read. Restore it, and run this command again. ${says}`,
    );
  const isOfOneFile = isFile && (status === 400 || status === 403) && !refusesAll.has(code);
  return isOfOneFile
    ? new FileRefusedError(`The store refuses it. Check the permissions and the key that encrypts it. ${says}`)
    : new ArchiveError(says);
}

/** An answer that a proxy cut, as if it were whole, has no end. */
function isListing(body: Buffer): boolean {
  return /<\/List\w+Result>\s*$/.test(body.toString('latin1', Math.max(0, body.length - 100)));
}

/** A body that is too long is cut one byte behind `mostSmallBytes`. */
async function readSmall(body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of body) {
    parts.push(part);
    bytes += part.length;
    if (bytes > mostSmallBytes) break;
  }
  return Buffer.concat(parts, Math.min(bytes, mostSmallBytes + 1));
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
  return text.replace(/&(?:#(\d+)|#x([0-9a-f]+)|(quot|apos|lt|gt|amp));/gi, (whole, decimal, hexadecimal, entity) => {
    if (entity !== undefined) return entities[entity.toLowerCase()] ?? whole;
    const code = decimal === undefined ? Number.parseInt(hexadecimal, 16) : Number(decimal);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

/** Which of them a store uses for a character is its choice. */
const entities: Readonly<Record<string, string>> = { quot: '"', apos: "'", lt: '<', gt: '>', amp: '&' };

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
