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
async function connect(answer: (response: ServerResponse, method: string) => void) {
  const server = createServer(({ method = '' }, response) => answer(response, method)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const settings: S3Settings = {
    ...{ bucket: 'bucket', prefix: '', region: 'us-east-1', forcePathStyle: true, expectedOwner: null },
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    accessKey: { id: 'any', secret: 'any', sessionToken: null },
    ...{ role: null, authorities: [], proxy: null, connectionTimeoutMs: 5_000, requestTimeoutMs: 60_000 },
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
