import { createHash } from 'node:crypto';
import { type TestBucket, unpack } from '@auditbox/testing/servers/bucket.ts';
import {
  GetObjectCommand,
  type GetObjectCommandOutput,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
} from '@aws-sdk/client-s3';

/** An object of the bucket. */
export interface ArchivedObject {
  readonly key: string;
  readonly etag: string;
  /** Hash of the uncompressed lines. */
  readonly sha256: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly events: readonly ArchivedEvent[];
}

/** An object that was just read. */
export interface FreshObject extends ArchivedObject {
  readonly ndjson: Buffer;
}

/** The fields of a line that are checked. */
export interface ArchivedEvent {
  readonly id: string;
  readonly updated_at: string;
  readonly updated_values: unknown;
}

/** All objects of a bucket so far. Objects never change, so each is read once. */
export interface Archive {
  readonly objects: ReadonlyMap<string, ArchivedObject>;
  /** Reads the bucket again. Returns the new objects, and a problem for each known object that changed or is missing. */
  refresh(): Promise<{ readonly fresh: readonly FreshObject[]; readonly problems: readonly string[] }>;
}

/** In a versioned bucket, every overwrite and delete is visible too. */
export function openArchive({ client, name: Bucket }: TestBucket, { isVersioned }: { isVersioned: boolean }): Archive {
  const objects = new Map<string, ArchivedObject>();

  async function list(): Promise<Map<string, string>> {
    const etags = new Map<string, string>();
    let token: string | undefined;
    do {
      const page = await client.send(
        new ListObjectsV2Command({ Bucket, ...(token !== undefined && { ContinuationToken: token }) }),
      );
      for (const { Key = '', ETag = '' } of page.Contents ?? []) {
        if (!Key.endsWith('_auditbox_probe') && !Key.includes('_log/')) etags.set(Key, ETag);
      }
      token = page.NextContinuationToken;
    } while (token !== undefined);
    return etags;
  }

  async function findOtherVersions(): Promise<string[]> {
    const problems: string[] = [];
    const etags = new Map<string, string>();
    let marker: string | undefined;
    do {
      const page = await client.send(
        new ListObjectVersionsCommand({ Bucket, ...(marker !== undefined && { KeyMarker: marker }) }),
      );
      // A store that ignores If-None-Match may keep two versions of the same bytes, but not of different bytes.
      for (const { Key = '', ETag = '' } of page.Versions ?? []) {
        if ((etags.get(Key) ?? ETag) !== ETag) problems.push(`${Key} has versions of different content`);
        etags.set(Key, ETag);
      }
      for (const { Key } of page.DeleteMarkers ?? []) problems.push(`${Key} was deleted`);
      marker = page.NextKeyMarker;
    } while (marker !== undefined && marker !== '');
    return problems;
  }

  async function read(key: string): Promise<FreshObject> {
    const response: GetObjectCommandOutput = await client.send(new GetObjectCommand({ Bucket, Key: key }));
    const ndjson = unpack(key, (await response.Body?.transformToByteArray()) ?? Buffer.alloc(0));
    const lines = ndjson.toString().split('\n').slice(0, -1);
    return {
      key,
      etag: response.ETag ?? '',
      sha256: createHash('sha256').update(ndjson).digest('hex'),
      metadata: response.Metadata ?? {},
      ndjson,
      events: lines.map(readEvent),
    };
  }

  return {
    objects,
    async refresh() {
      const etags = await list();
      const problems = isVersioned ? await findOtherVersions() : [];
      for (const { key, etag } of objects.values()) {
        if (!etags.has(key)) problems.push(`${key} is missing`);
        else if (etags.get(key) !== etag) problems.push(`${key} has changed`);
      }
      const fresh: FreshObject[] = [];
      for (const key of etags.keys()) if (!objects.has(key)) fresh.push(await read(key));
      // The bytes of a long history would need too much memory.
      for (const { ndjson: _, ...object } of fresh) objects.set(object.key, object);
      return { fresh, problems };
    },
  };
}

function readEvent(line: string): ArchivedEvent {
  const { id, updated_at, updated_values } = JSON.parse(line) as ArchivedEvent;
  return { id, updated_at, updated_values };
}
