import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createBucketFiles } from '@auditbox/s3/bucket-files.ts';
import { createS3Access } from '@auditbox/s3/s3-access.ts';
import { createS3Client } from '@auditbox/s3/s3-client.ts';
import type { S3Settings } from '@auditbox/s3/s3-settings.ts';
import { afterEach, expect, test } from 'vitest';
import { createS3LogStore } from '../src/destinations/s3/s3-log-store.ts';

/* A store that no honest one is: its listings never end, and its files have no end. */

const closing: (() => void)[] = [];
const { signal } = new AbortController();

afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** A client of a store that answers each request like this. */
async function connect(answer: (response: ServerResponse, method: string, query: URLSearchParams) => void) {
  const server = createServer(({ method = '', url = '' }, response) =>
    answer(response, method, new URL(url, 'http://store').searchParams),
  ).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const settings: S3Settings = {
    ...{ bucket: 'bucket', prefix: '', region: 'us-east-1', forcePathStyle: true, expectedOwner: null },
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    accessKey: { id: 'any', secret: 'any', sessionToken: null },
    ...{ role: null, authorities: null, proxy: null, connectionTimeoutMs: 5_000, requestTimeoutMs: 60_000 },
    ...{ checksum: 'none', encryption: null, storageClass: null, objectLock: null },
  };
  const client = createS3Client(settings, 1);
  closing.push(() => {
    client.destroy();
    server.closeAllConnections();
    server.close();
  });
  const access = createS3Access(client, settings);
  return { store: createS3LogStore(access, settings), files: createBucketFiles(access, settings) };
}

test('a listing that gives the same page for ever is an error at the second page', async () => {
  const page = '<Contents><Key>a/b</Key><Size>1</Size></Contents><CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes>';
  const { store, files } = await connect((response) =>
    response.end(`<ListBucketResult><IsTruncated>true</IsTruncated>${page}</ListBucketResult>`),
  );
  const stuck = { kind: 'error', code: 'StuckListing', message: expect.stringContaining('the same page again') };
  expect(await store.list('a/', '', signal)).toMatchObject({ kind: 'listed', isLast: false });
  expect(await store.list('a/', 'a/b', signal)).toMatchObject(stuck);
  expect(await files.list('a/', 'a/b', signal)).toMatchObject(stuck);
  expect(await files.listFolders('', 'a/', signal)).toMatchObject(stuck);
});

const contents = (keys: readonly string[]) =>
  keys.map((key) => `<Contents><Key>${key}</Key><Size>1</Size></Contents>`).join('');
const prefixes = (keys: readonly string[]) =>
  keys.map((key) => `<CommonPrefixes><Prefix>${key}</Prefix></CommonPrefixes>`).join('');

/** A store that answers each listing with such pages, by token. */
function connectToPages(pages: readonly (readonly string[])[], nextOf = (at: number) => at + 1) {
  return connect((response, _method, query) => {
    const at = Number(query.get('continuation-token') ?? 0);
    const next = nextOf(at);
    const page = pages[at] ?? [];
    const shown = query.has('delimiter') ? prefixes(page) : contents(page);
    response.end(
      `<ListBucketResult><IsTruncated>${next < pages.length}</IsTruncated><NextContinuationToken>${next}</NextContinuationToken>${shown}</ListBucketResult>`,
    );
  });
}

test('a page without a name is not the end of a listing: its token leads on', async () => {
  const { store, files } = await connectToPages([[], [], ['a/b/'], ['a/c/']]);
  expect(await store.list('a/', '', signal)).toEqual({ kind: 'listed', paths: ['a/b/'], isLast: false });
  expect(await files.list('a/', '', signal)).toMatchObject({ files: [{ key: 'a/b/' }], isLast: false });
  expect(await files.listFolders('a/', '', signal)).toMatchObject({ folders: ['a/b/'], isLast: false });
});

test.each([
  ['with the same token', () => 0],
  ['with tokens in a circle', (at: number) => (at + 1) % 3],
  ['with new tokens for ever', (at: number) => at + 1],
])('pages without a name %s are an error', async (_what, next) => {
  const { store, files } = await connectToPages(
    Array.from({ length: 2_000 }, () => []),
    next,
  );
  const stuck = { kind: 'error', code: 'StuckListing' };
  expect(await store.list('a/', '', signal)).toMatchObject(stuck);
  expect(await files.listFolders('a/', '', signal)).toMatchObject(stuck);
});

test.each([
  ['in another order', ['a/c', 'a/b'], ''],
  ['from before the mark: pages that come in turn', ['a/b', 'a/c'], 'a/bb'],
  ['that were not asked for', ['a/b', 'b/a'], ''],
])(
  'names %s are an error: a caller goes on behind the last one, and would pass over others',
  async (_what, page, after) => {
    const { store, files } = await connectToPages([page, ['a/z']]);
    const unsorted = { kind: 'error', code: 'UnsortedListing', message: expect.stringContaining('another order') };
    expect(await store.list('a/', after, signal)).toMatchObject(unsorted);
    expect(await files.list('a/', after, signal)).toMatchObject(unsorted);
    expect(await files.listFolders('a/', after, signal)).toMatchObject(unsorted);
  },
);

test('the last page of a store that sorts in its own way is put in order', async () => {
  const { store, files } = await connectToPages([['a/_/', 'a/B/', 'a/b/']]);
  const sorted = ['a/B/', 'a/_/', 'a/b/'];
  expect(await store.list('a/', '', signal)).toMatchObject({ paths: sorted, isLast: true });
  expect(await files.listFolders('a/', '', signal)).toMatchObject({ folders: sorted, isLast: true });
});

test('a name that is listed again, also the mark, is listed once', async () => {
  const { store } = await connectToPages([['a/b', 'a/c', 'a/c', 'a/d']]);
  expect(await store.list('a/', 'a/b', signal)).toMatchObject({ paths: ['a/c', 'a/d'], isLast: true });
});

test('names are sorted by their bytes, as S3 sorts them, and not as JavaScript does', async () => {
  const names = ['a/\uffee', 'a/\u{1f600}'];
  const { store } = await connectToPages([names]);
  expect(await store.list('a/', '', signal)).toMatchObject({ paths: names });
});

test('a name with characters that XML cannot hold is listed as it is', async () => {
  const { store } = await connect((response, _method, query) => {
    const isEncoded = query.get('encoding-type') === 'url';
    const names = isEncoded ? ['a/%01+b%2B%25%C3%A9', 'a/x%zz'] : ['a/&#1; b+%é'];
    response.end(
      `<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>${contents(names)}</ListBucketResult>`,
    );
  });
  expect(await store.list('a/', '', signal)).toMatchObject({ paths: ['a/\u0001 b+%é', 'a/x%zz'] });
});

test.each([
  ['a text', 'Welcome.'],
  ['an empty body', ''],
  ['another document', '<Welcome><Message>x</Message></Welcome>'],
  ['a page that ends within its first lines', '<ListBucketResult><Name>bucket</Name><KeyCount>1</KeyCount>'],
  ['a page without its end', '<ListBucketResult><Name>bucket</Name><KeyCount>1</KeyCount></ListBucketResult>'],
  [
    'a page without its last key',
    '<ListBucketResult><KeyCount>2</KeyCount><IsTruncated>false</IsTruncated><Contents><Key>a/b</Key></Contents></ListBucketResult>',
  ],
])('%s in place of a listing is an error, and no empty bucket', async (_what, body) => {
  const { store, files } = await connect((response) => response.end(body));
  const wrong = { kind: 'error', class: 'transient' };
  expect(await store.list('a/', '', signal)).toMatchObject(wrong);
  expect(await files.list('a/', '', signal)).toMatchObject(wrong);
  expect(await files.listFolders('', '', signal)).toMatchObject(wrong);
});

test('an answer without an ETag did not come from a store: no file was read or created', async () => {
  const { store } = await connect((response, method) =>
    method === 'GET' ? response.writeHead(404).end('<Error><Code>NoSuchKey</Code></Error>') : response.end(),
  );
  const wrong = { kind: 'error', class: 'transient', code: 'NoETag' };
  expect(await store.create('_log/tile/0/000', Buffer.alloc(32), '', signal)).toMatchObject(wrong);
  expect(await store.head('_log/tile/0/000', signal)).toMatchObject(wrong);
  const page = await connect((response) => response.end('Welcome.'));
  expect(await page.store.read('_log/tile/0/000', signal)).toMatchObject(wrong);
});

test('a store that refuses to create a file that is not there accuses nobody of having written it', async () => {
  const { store } = await connect((response, method) =>
    method === 'GET'
      ? response.writeHead(404).end('<Error><Code>NoSuchKey</Code></Error>')
      : response.writeHead(412).end('<Error><Code>PreconditionFailed</Code></Error>'),
  );
  expect(await store.create('_log/tile/0/000', Buffer.alloc(32), '', signal)).toMatchObject({
    kind: 'error',
    code: 'PreconditionFailed',
  });
});

test('a store that refuses to create any file is an error for a file that is not there, and no file of another', async () => {
  const { files } = await connect((response, method) =>
    response
      .writeHead(method === 'PUT' ? 412 : 404)
      .end(method === 'PUT' ? '<Error><Code>PreconditionFailed</Code></Error>' : ''),
  );
  const file = { key: 'parquet/a', body: Buffer.alloc(1), contentType: 'text/plain', metadata: {} };
  expect(await files.create(file, signal)).toMatchObject({ kind: 'error', code: 'PreconditionFailed' });
});

test('a file of the log without an end is cut, and is not what was expected', async () => {
  const part = Buffer.alloc(1024 * 1024);
  const { store } = await connect((response) => {
    response.writeHead(200, { etag: '"x"' });
    const more = (): void => {
      if (!response.destroyed) response.write(part, more);
    };
    more();
  });
  const file = await store.read('_log/checkpoints/000000000001', signal);
  expect(file.kind === 'read' && file.body.length).toBe(256 * (2 + 65_535) + 1);
  expect(await store.create('_log/tile/0/000', Buffer.alloc(32), '', signal)).toEqual({ kind: 'different' });
});
