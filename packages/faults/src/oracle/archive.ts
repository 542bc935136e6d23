import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import type { TestBucket } from '@auditbox/testing/servers/bucket.ts';
import {
  GetObjectCommand,
  type GetObjectCommandOutput,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
} from '@aws-sdk/client-s3';

/** An object of the bucket, read once. */
export interface ArchivedObject {
  readonly key: string;
  readonly etag: string;
  /** Of the lines as they are. */
  readonly sha256: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly ndjson: Buffer;
  readonly events: readonly ArchivedEvent[];
}

/** What is looked at of a line. */
export interface ArchivedEvent {
  readonly id: string;
  readonly updated_at: string;
  readonly updated_values: unknown;
}

/** What an auditor has seen in a bucket so far. Objects never change, so each is read once. */
export interface Archive {
  readonly objects: ReadonlyMap<string, ArchivedObject>;
  /** Looks again; returns the objects that are new and says what has happened to old ones that must not. */
  look(): Promise<{ readonly fresh: readonly ArchivedObject[]; readonly problems: readonly string[] }>;
}

/** A bucket that keeps versions tells of every overwrite and delete. */
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
        if (!Key.endsWith('_auditbox_probe')) etags.set(Key, ETag);
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
      // A store that ignores If-None-Match here may keep the same bytes twice, but never others.
      for (const { Key = '', ETag = '' } of page.Versions ?? []) {
        if ((etags.get(Key) ?? ETag) !== ETag) problems.push(`${Key} has versions of different content`);
        etags.set(Key, ETag);
      }
      for (const { Key } of page.DeleteMarkers ?? []) problems.push(`${Key} was deleted`);
      marker = page.NextKeyMarker;
    } while (marker !== undefined && marker !== '');
    return problems;
  }

  async function read(key: string): Promise<ArchivedObject> {
    const answer: GetObjectCommandOutput = await client.send(new GetObjectCommand({ Bucket, Key: key }));
    const ndjson = gunzipSync((await answer.Body?.transformToByteArray()) ?? Buffer.alloc(0));
    const lines = ndjson.toString().split('\n').slice(0, -1);
    return {
      key,
      etag: answer.ETag ?? '',
      sha256: createHash('sha256').update(ndjson).digest('hex'),
      metadata: answer.Metadata ?? {},
      ndjson,
      events: lines.map((line) => JSON.parse(line)),
    };
  }

  return {
    objects,
    async look() {
      const etags = await list();
      const problems = isVersioned ? await findOtherVersions() : [];
      for (const { key, etag } of objects.values()) {
        if (!etags.has(key)) problems.push(`${key} is gone`);
        else if (etags.get(key) !== etag) problems.push(`${key} has changed`);
      }
      const fresh: ArchivedObject[] = [];
      for (const key of etags.keys()) if (!objects.has(key)) fresh.push(await read(key));
      for (const object of fresh) objects.set(object.key, object);
      return { fresh, problems };
    },
  };
}
