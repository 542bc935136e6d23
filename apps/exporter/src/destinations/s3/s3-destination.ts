import type { Readable } from 'node:stream';
import { type Compression, compressionByKey } from '@auditbox/core/export/compression.ts';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import type { Destination, DestinationObject, ProbeOutcome, ReadOutcome } from '../destination.ts';
import { readContent } from './read-content.ts';
import type { S3Access } from './s3-access.ts';
import { cutReadError, noStoreError } from './s3-error.ts';
import { createS3Objects, getPermissions } from './s3-objects.ts';
import { putPermissions } from './s3-put-headers.ts';
import type { S3Settings } from './s3-settings.ts';

/** In each object's metadata: the version of the lines and of their order. */
const formatVersion = '1';

const contentTypes = { gzip: 'application/gzip', zstd: 'application/zstd' } as const satisfies Record<
  Compression,
  string
>;

/** Readers of Hive-style folders skip names that start with an underscore. */
const probeName = '_auditbox_probe';

/** A bucket of S3, or of an S3-compatible store. */
export function createS3Destination(access: S3Access, settings: S3Settings): Destination {
  const { client, bucket, bounded, toDestinationError } = access;
  const { create, head, missingOrError } = createS3Objects(access, settings);
  const { prefix } = settings;

  async function read(key: string, signal: AbortSignal, onLines?: (part: Buffer) => void): Promise<ReadOutcome> {
    try {
      return await bounded(signal, async (abortSignal) => {
        const command = new GetObjectCommand({ ...bucket, Key: key });
        const { ETag, Body } = await client.send(command, { abortSignal });
        if (!ETag) return toDestinationError(noStoreError, getPermissions);
        const { content, objectBytes } = await readContent(Body as Readable, compressionByKey(key), onLines);
        if (content !== null) return { kind: 'read', content };
        // A proxy may end an answer early as if it were whole. The object is not to blame for that.
        const found = await head(key, abortSignal);
        if (found.kind !== 'found') return found;
        if (found.objectBytes !== null && objectBytes < found.objectBytes)
          return toDestinationError(cutReadError(objectBytes, found.objectBytes), getPermissions);
        return { kind: 'read', content };
      });
    } catch (thrown) {
      return missingOrError(thrown);
    }
  }

  return {
    prefix,

    put: ({ key, body, compression, storedAt, ...about }: DestinationObject, signal) =>
      create(
        {
          Key: key,
          Body: body,
          ContentLength: body.length,
          ContentType: contentTypes[compression],
          Metadata: toMetadata(about),
        },
        storedAt,
        signal,
      ),

    head,

    read,

    async probe(storedAt, signal, name = probeName): Promise<ProbeOutcome> {
      const Body = Buffer.from('Auditbox writes this object to test whether it may create objects here.\n');
      const key = `${prefix}${name}`;
      const input = { Key: key, Body, ContentType: 'text/plain' };
      // The second PUT shows whether the store honours If-None-Match.
      const first = await create(input, storedAt, signal);
      const last = first.kind === 'stored' ? await create(input, storedAt, signal) : first;
      if (last.kind === 'error') return last;
      if (last.kind === 'doubtful') return toDestinationError(noStoreError, putPermissions(settings));
      // Without s3:ListBucket, S3 answers 403 for a missing key. A retry could then not find out whether its object exists.
      const missing = await head(`${key}_missing`, signal);
      const reportsMissing = missing.kind !== 'error' || missing.class === 'transient';
      return { kind: 'healthy', key, conditional: last.kind === 'exists', reportsMissing };
    },

    close: () => client.destroy(),
  };
}

function toMetadata({
  rows,
  sha256,
  firstOccurredAt,
  lastOccurredAt,
  linesRoot,
}: Omit<DestinationObject, 'key' | 'body' | 'compression' | 'storedAt'>) {
  return {
    rows: String(rows),
    sha256,
    'first-event': firstOccurredAt,
    'last-event': lastOccurredAt,
    format: formatVersion,
    ...(linesRoot !== null && { 'lines-root': linesRoot }),
  };
}
