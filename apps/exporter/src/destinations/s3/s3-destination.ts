import type { Compression } from '@auditbox/core/export/compression.ts';
import { readObject } from '@auditbox/s3/read-object.ts';
import type { S3Access } from '@auditbox/s3/s3-access.ts';
import { noStoreError, refusedConditionError } from '@auditbox/s3/s3-error.ts';
import { putPermissions } from '@auditbox/s3/s3-put-headers.ts';
import type { S3Settings } from '@auditbox/s3/s3-settings.ts';
import type { Destination, DestinationObject, ProbeOutcome } from '../destination.ts';
import { createS3Objects } from './s3-objects.ts';

/** In each object's metadata: the version of the lines and of their order. */
const formatVersion = '1';

const contentTypes = { gzip: 'application/gzip', zstd: 'application/zstd' } as const satisfies Record<
  Compression,
  string
>;

/** Readers of Hive-style folders skip names that start with an underscore. */
export const probeName = '_auditbox_probe';

/** A bucket of S3, or of an S3-compatible store. */
export function createS3Destination(access: S3Access, settings: S3Settings): Destination {
  const { client, toDestinationError } = access;
  const { create, head } = createS3Objects(access, settings);
  const { prefix } = settings;

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

    read: (key, signal, onLines) => readObject(access, key, signal, onLines),

    async probe(storedAt, signal, name = probeName): Promise<ProbeOutcome> {
      const Body = Buffer.from('Auditbox writes this object to test whether it may create objects here.\n');
      const key = `${prefix}${name}`;
      const input = { Key: key, Body, ContentType: 'text/plain' };
      // The second PUT shows whether the store honours If-None-Match.
      const first = await create(input, storedAt, signal);
      const last = first.kind === 'stored' ? await create(input, storedAt, signal) : first;
      if (last.kind === 'error') return last;
      if (first.kind === 'exists') {
        // A store that refuses each condition says so too, also when nothing is there. Then nothing can be created.
        const there = await head(key, signal);
        if (there.kind === 'missing') return toDestinationError(refusedConditionError, putPermissions(settings));
      }
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
