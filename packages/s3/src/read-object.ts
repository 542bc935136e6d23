import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { compressionByKey } from '@auditbox/core/export/compression.ts';
import { GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3';
import { type ObjectContent, readContent } from './read-content.ts';
import type { S3Access, StoreError } from './s3-access.ts';
import { cutReadError, noStoreError, toS3Error } from './s3-error.ts';

export const getPermissions = 's3:GetObject; s3:ListBucket where the object is missing';

/** `content` is null for an object that is not compressed as its key says. */
export type ReadOutcome =
  | { readonly kind: 'read'; readonly content: ObjectContent | null }
  | { readonly kind: 'missing' }
  | StoreError;

/** Reads a whole object of events, in flat memory. `onLines` is given the uncompressed bytes as they come. */
export async function readObject(
  access: S3Access,
  key: string,
  signal: AbortSignal,
  onLines?: (part: Buffer) => void,
): Promise<ReadOutcome> {
  const { client, bucket, bounded, toDestinationError } = access;
  try {
    return await bounded(signal, async (abortSignal) => {
      const { ETag, Body } = await client.send(new GetObjectCommand({ ...bucket, Key: key }), { abortSignal });
      if (!ETag) return toDestinationError(noStoreError, getPermissions);
      const { content, objectBytes } = await readContent(Body as Readable, compressionByKey(key), onLines);
      if (content !== null) return { kind: 'read', content };
      // A proxy may end an answer early as if it were whole. The object is not to blame for that.
      const found = await client.send(new HeadObjectCommand({ ...bucket, Key: key }), { abortSignal });
      if (found.ContentLength !== undefined && objectBytes < found.ContentLength)
        return toDestinationError(cutReadError(objectBytes, found.ContentLength), getPermissions);
      return { kind: 'read', content };
    });
  } catch (thrown) {
    return missingOrError(access, thrown);
  }
}

/** Hashes an object that is not compressed. `length` is what a HEAD told: a shorter read was cut, and is an error. */
export async function readText(
  access: S3Access,
  key: string,
  length: number | null,
  signal: AbortSignal,
): Promise<
  { readonly kind: 'read'; readonly content: { readonly sha256: string } } | { readonly kind: 'missing' } | StoreError
> {
  const { client, bucket, bounded, toDestinationError } = access;
  try {
    return await bounded(signal, async (abortSignal) => {
      const { ETag, Body } = await client.send(new GetObjectCommand({ ...bucket, Key: key }), { abortSignal });
      if (!ETag) return toDestinationError(noStoreError, getPermissions);
      const hash = createHash('sha256');
      let received = 0;
      for await (const part of Body as Readable) {
        hash.update(part as Buffer);
        received += (part as Buffer).length;
      }
      if (length !== null && received < length)
        return toDestinationError(cutReadError(received, length), getPermissions);
      return { kind: 'read', content: { sha256: hash.digest('hex') } };
    });
  } catch (thrown) {
    return missingOrError(access, thrown);
  }
}

/** What a failed GET or HEAD means. */
export function missingOrError(access: S3Access, thrown: unknown): { readonly kind: 'missing' } | StoreError {
  const error = toS3Error(thrown);
  return error.code === 'NotFound' || error.code === 'NoSuchKey'
    ? { kind: 'missing' }
    : access.toDestinationError(error, getPermissions);
}
