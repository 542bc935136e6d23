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
const signal = AbortSignal.timeout(300_000);

afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** A client of a store that answers each request like this. */
async function connect(answer: (response: ServerResponse) => void) {
  const server = createServer((_, response) => answer(response)).listen(0, '127.0.0.1');
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
