import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { CreateBucketCommand, GetObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';

/** Credentials of the stores that tests use. */
export const testCredentials = { accessKeyId: 'TESTKEY', secretAccessKey: 'TESTSECRET' };

/** An object, read as an auditor reads it. */
interface StoredObject {
  readonly key: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
  /** The uncompressed NDJSON. */
  readonly text: string;
  /** The parsed lines. */
  readonly events: readonly { id: string; updated_at: string; [field: string]: unknown }[];
}

/** A bucket of one test, read from outside as an auditor reads it. */
export interface TestBucket {
  readonly name: string;
  readonly client: S3Client;
  /** All exported objects in the order of their keys, without the start-up probe's object and the log. */
  objects(): Promise<StoredObject[]>;
}

function createTestClient(endpoint: string): S3Client {
  return new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials: testCredentials });
}

export async function createTestBucket(endpoint: string, { objectLock = false } = {}): Promise<TestBucket> {
  const client = createTestClient(endpoint);
  const name = `test-${randomBytes(6).toString('hex')}`;
  await client.send(new CreateBucketCommand({ Bucket: name, ...(objectLock && { ObjectLockEnabledForBucket: true }) }));
  return readBucket(client, name);
}

/** Opens an existing bucket, in a store with the tests' credentials. */
export function openTestBucket(endpoint: string, name: string): TestBucket {
  return readBucket(createTestClient(endpoint), name);
}

function readBucket(client: S3Client, name: string): TestBucket {
  return { name, client, objects: () => readObjects(client, name) };
}

async function readObjects(client: S3Client, Bucket: string): Promise<StoredObject[]> {
  const objects: StoredObject[] = [];
  let ContinuationToken: string | undefined;
  do {
    const page = await client.send(
      new ListObjectsV2Command({ Bucket, ...(ContinuationToken && { ContinuationToken }) }),
    );
    for (const { Key = '' } of page.Contents ?? []) {
      if (!Key.endsWith('_auditbox_probe') && !Key.includes('_log/'))
        objects.push(await readObject(client, Bucket, Key));
    }
    ContinuationToken = page.NextContinuationToken;
  } while (ContinuationToken);
  return objects;
}

/** The NDJSON of an object. The end of its key says how it is compressed. */
export function unpack(key: string, body: Uint8Array): Buffer {
  return key.endsWith('.zst') ? zstdDecompressSync(body) : gunzipSync(body);
}

async function readObject(client: S3Client, Bucket: string, Key: string): Promise<StoredObject> {
  const {
    Body,
    Metadata = {},
    ContentType,
    ContentEncoding,
  } = await client.send(new GetObjectCommand({ Bucket, Key }));
  const text = unpack(Key, (await Body?.transformToByteArray()) ?? Buffer.alloc(0)).toString();
  const events = text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
  return { key: Key, metadata: Metadata, contentType: ContentType, contentEncoding: ContentEncoding, text, events };
}

/** Copies all objects below a prefix to a folder, as `aws s3 sync` does. */
export async function copyObjects({ client, name: Bucket }: TestBucket, prefix: string, folder: string): Promise<void> {
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket, Prefix: prefix }));
  for (const { Key = '' } of Contents) {
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
    const file = join(folder, Key.slice(prefix.length));
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, (await Body?.transformToByteArray()) ?? '');
  }
}
