import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import {
  type Archive,
  type ArchivedFile,
  ArchiveError,
  awaitRetry,
  type FileLock,
  FileRefusedError,
  type FileVersion,
  type FilledMemory,
  mostSmallBytes,
  tries,
} from './archive.ts';
import { explainProblem, isMissing, isOfEveryRequest, isTransient } from './explain-problem.ts';
import { createListingGuard } from './listing-guard.ts';
import { sendGet } from './send-get.ts';
import { type Credentials, canonicalQuery, encodePath, signedHeaders } from './sign-request.ts';
import { field } from './xml-field.ts';

/** A bucket of S3 or a compatible store. */
export interface S3Source extends Credentials {
  readonly kind: 's3';
  readonly bucket: string;
  readonly prefix: string;
  /** Such as https://s3.eu-central-1.amazonaws.com. The bucket is part of the path. */
  readonly endpoint: string;
}

type Query = Readonly<Record<string, string>>;

type Answer =
  | { readonly kind: 'found'; readonly response: IncomingMessage }
  | { readonly kind: 'missing' }
  /** `isOfAll`: the store would answer the same to any request. */
  | {
      readonly kind: 'failed';
      readonly error: ArchiveError;
      readonly isTransient: boolean;
      readonly isOfAll: boolean;
    };

/** Reads a bucket. A file that cannot be read says nothing about the others. */
export function openBucket(source: S3Source): Archive {
  const { bucket, prefix, endpoint, region } = source;

  async function ask(key: string, query: Query): Promise<Answer> {
    const path = `/${bucket}/${encodePath(key)}`;
    const url = new URL(`${endpoint.replace(/\/$/, '')}${path}`);
    // The parts `.` and `..` cannot be sent: every client resolves them, and would read another object.
    if (!url.pathname.endsWith(path))
      return failed(new FileRefusedError('Its key has the parts . or .., which no request can name.'));
    url.search = canonicalQuery(query);
    let response: IncomingMessage;
    try {
      response = await sendGet(url, signedHeaders(source, url));
      const { statusCode: status = 0 } = response;
      if (status < 200 || status >= 300) {
        const problem = { status, body: await text(response) };
        if (isMissing(problem) && key !== '') return { kind: 'missing' };
        if (status === 501 && 'versions' in query) return { kind: 'missing' };
        return failed(explainProblem(problem, { path, isFile: key !== '', region }), {
          isTransient: isTransient(problem),
          isOfAll: isOfEveryRequest(problem),
        });
      }
    } catch (error) {
      const says = `The store at ${endpoint} cannot be reached: ${(error as Error).message}.`;
      return failed(new ArchiveError(says), { isTransient: true });
    }
    // Every store sends an ETag with a file. An answer without one came from a proxy or a login page.
    if (key === '' || response.headers.etag) return { kind: 'found', response };
    response.destroy();
    const says = `The answer to ${path} did not come from an object store; a proxy or a login page may have sent it.`;
    return failed(new ArchiveError(says), { isTransient: true });
  }

  async function get(key: string, query: Query = {}): Promise<IncomingMessage | null> {
    for (let done = 1; ; done += 1) {
      const answer = await ask(key, query);
      if (answer.kind === 'missing') return null;
      if (answer.kind === 'found') return answer.response;
      if (done === tries || !answer.isTransient)
        throw key === '' || answer.isOfAll ? answer.error : await judge(answer.error);
      await awaitRetry(done);
    }
  }

  /** Whether the store hands out only this file not, or nothing at all. A listing needs no file. */
  async function judge(error: ArchiveError): Promise<ArchiveError> {
    if (error instanceof FileRefusedError) return error;
    const control = await ask('', { 'list-type': '2', 'max-keys': '1', prefix });
    if (control.kind === 'found') control.response.resume();
    return control.kind === 'failed' ? error : new FileRefusedError(error.message);
  }

  /** A small body, read again when the network cut it, or when it is not whole. */
  async function getSmall(
    key: string,
    query: Query = {},
    isWhole: (body: Buffer) => boolean = () => true,
  ): Promise<Buffer | null> {
    for (let done = 1; ; done += 1) {
      const response = await get(key, query);
      if (response === null) return null;
      let problem: string;
      try {
        const body = await readSmall(response);
        if (isWhole(body)) return body;
        const code = field(body.toString('latin1', 0, mostErrorBytes), 'Code');
        problem = code === '' ? 'it is not whole' : `the store answered 200 (${code})`;
      } catch (error) {
        problem = (error as Error).message;
      }
      if (done === tries) throw cutError(key, problem);
      await awaitRetry(done);
    }
  }

  async function* listPages<T>(query: Query, next: (page: string) => Query, read: (page: string) => Listed<T>) {
    const seen = new Set<string>();
    const guard = createListingGuard();
    for (let more: Query = {}; ; ) {
      // Null: the store has no such listing.
      const page = (await getSmall('', { ...query, ...more }, isListing))?.toString() ?? '';
      const { items, keys } = read(page);
      yield* items;
      if (!/<IsTruncated>true</.test(page)) return;
      const begin = next(page);
      const place = JSON.stringify(begin);
      if (Object.values(begin)[0] === '' || seen.has(place))
        throw new ArchiveError('The store says that its listing goes on, and not where.');
      seen.add(place);
      guard.pass(keys);
      more = begin;
    }
  }

  function toPath(key: string, folder: string): string {
    if (key.startsWith(`${prefix}${folder}`)) return key.slice(prefix.length);
    throw new ArchiveError(`The store was asked for the keys below ${prefix}${folder}, and lists ${key}.`);
  }

  function list(folder: string): AsyncIterable<ArchivedFile> {
    const query = { 'list-type': '2', prefix: `${prefix}${folder}` };
    const next = (page: string) => ({ 'continuation-token': field(page, 'NextContinuationToken') });
    return listPages(query, next, (page) => {
      const items = [...page.matchAll(/<Contents>(.*?)<\/Contents>/gs)].map(([, content = '']) => ({
        path: toPath(field(content, 'Key'), folder),
        bytes: Number(field(content, 'Size')),
        modifiedAt: Date.parse(field(content, 'LastModified')),
      }));
      return { items, keys: items.map(({ path }) => path) };
    });
  }

  function listVersions(folder: string): AsyncIterable<FileVersion> {
    const next = (page: string) => ({
      'key-marker': field(page, 'NextKeyMarker'),
      'version-id-marker': field(page, 'NextVersionIdMarker'),
    });
    return listPages({ versions: '', prefix: `${prefix}${folder}` }, next, (page) => {
      const versions = [...page.matchAll(/<(Version|DeleteMarker)>(.*?)<\/\1>/gs)].map(([, tag, content = '']) => ({
        kind: tag === 'Version' ? ('version' as const) : ('delete marker' as const),
        path: toPath(field(content, 'Key'), folder),
        id: field(content, 'VersionId'),
        isLatest: field(content, 'IsLatest') !== 'false',
      }));
      const items = versions.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
      return { items, keys: items.map(({ path, id }) => `${path} ${id}`) };
    });
  }

  return {
    list,
    read: (path) => getSmall(`${prefix}${path}`),
    async readInto(path, memory) {
      const response = await get(`${prefix}${path}`);
      return response && { ...(await fill(memory, response)), lock: readLock(response) };
    },
    listVersions,
  };
}

function readLock({ headers }: IncomingMessage): FileLock | null {
  const mode = String(headers['x-amz-object-lock-mode'] ?? '');
  const until = Date.parse(String(headers['x-amz-object-lock-retain-until-date'] ?? ''));
  return mode === '' || Number.isNaN(until) ? null : { mode, until: new Date(until).toISOString() };
}

/** A page of a listing. `keys` are the names of its items. */
interface Listed<T> {
  readonly items: readonly T[];
  readonly keys: readonly string[];
}

const mostErrorBytes = 4_096;

function failed(error: ArchiveError, { isTransient = false, isOfAll = false } = {}): Answer {
  return { kind: 'failed', error, isTransient, isOfAll };
}

function cutError(key: string, problem: string): ArchiveError {
  return key === ''
    ? new ArchiveError(`The listing of the store cannot be read to its end: ${problem}.`)
    : new FileRefusedError(`It cannot be read to its end: ${problem}.`);
}

/** An answer that a proxy cut, as if it were whole, has no end. */
function isListing(body: Buffer): boolean {
  return /<\/List\w+Result>\s*$/.test(body.toString('latin1', Math.max(0, body.length - 100)));
}

/** A body that is too long is cut one byte behind `mostSmallBytes`. */
async function readSmall(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of body) {
    parts.push(part);
    bytes += part.length;
    if (bytes > mostSmallBytes) break;
  }
  return Buffer.concat(parts, Math.min(bytes, mostSmallBytes + 1));
}

/** A body without an end is not read for ever. */
const mostMoreBytes = 64 * 1024 * 1024;

async function fill(memory: Buffer, body: AsyncIterable<Uint8Array>): Promise<Omit<FilledMemory, 'lock'>> {
  let [kept, more] = [0, 0];
  for await (const part of body) {
    const fits = part.subarray(0, memory.length - kept);
    memory.set(fits, kept);
    kept += fits.length;
    more += part.length - fits.length;
    if (more > mostMoreBytes) break;
  }
  return { kept, more };
}
