import type { Readable } from 'node:stream';
import type { S3Access } from '@auditbox/s3/s3-access.ts';
import { stuckListingError, toS3Error } from '@auditbox/s3/s3-error.ts';
import { checksumHeaders, protectionHeaders, putPermissions } from '@auditbox/s3/s3-put-headers.ts';
import type { S3Settings } from '@auditbox/s3/s3-settings.ts';
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import type { FileOutcome, LogStore } from '../../log/log-store.ts';

/** No file of the log is longer: 256 entries of 65,535 bytes, each with its length. A stranger's may be, and must not fill the memory. */
const mostBytes = 256 * (2 + 65_535);

/** A body that is too long is cut one byte behind `mostBytes`, and is not what was expected. */
async function readSmall(body: Readable): Promise<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of body as AsyncIterable<Buffer>) {
    parts.push(part);
    bytes += part.length;
    if (bytes > mostBytes) break;
  }
  return Buffer.concat(parts, Math.min(bytes, mostBytes + 1));
}

/** The log's files in a bucket. They are encrypted, stored and locked like the objects. */
export function createS3LogStore(access: S3Access, settings: S3Settings): LogStore {
  const { client, bucket, bounded, toDestinationError } = access;
  const { prefix } = settings;

  async function read(path: string, signal: AbortSignal): Promise<FileOutcome> {
    try {
      return await bounded(signal, async (abortSignal) => {
        const command = new GetObjectCommand({ ...bucket, Key: `${prefix}${path}` });
        const { Body } = await client.send(command, { abortSignal });
        return { kind: 'read', body: await readSmall(Body as Readable) };
      });
    } catch (thrown) {
      const error = toS3Error(thrown);
      if (error.code === 'NoSuchKey' || error.code === 'NotFound') return { kind: 'missing' };
      return toDestinationError(error, 's3:GetObject; s3:ListBucket where the object is missing');
    }
  }

  return {
    read,

    async create(path, body, storedAt, signal) {
      // Looked for first, because not every store honours If-None-Match.
      const before = await read(path, signal);
      if (before.kind === 'error') return before;
      if (before.kind === 'read') return { kind: before.body.equals(body) ? 'same' : 'different' };
      const command = new PutObjectCommand({
        ...bucket,
        ...protectionHeaders(settings, storedAt),
        ...checksumHeaders(settings, body),
        Key: `${prefix}${path}`,
        Body: body,
        ContentType: path.includes('/tile/') ? 'application/octet-stream' : 'text/plain; charset=utf-8',
        IfNoneMatch: '*',
      });
      try {
        await bounded(signal, (abortSignal) => client.send(command, { abortSignal }));
        return { kind: 'created' };
      } catch (thrown) {
        const error = toS3Error(thrown);
        if (error.status !== 412 && error.status !== 304) return toDestinationError(error, putPermissions(settings));
        const now = await read(path, signal);
        if (now.kind === 'error') return now;
        return { kind: now.kind === 'read' && now.body.equals(body) ? 'same' : 'different' };
      }
    },

    async list(folder, after, signal) {
      try {
        const command = new ListObjectsV2Command({
          ...bucket,
          Prefix: `${prefix}${folder}`,
          ...(after !== '' && { StartAfter: `${prefix}${after}` }),
        });
        const page = await bounded(signal, (abortSignal) => client.send(command, { abortSignal }));
        const paths = (page.Contents ?? []).map(({ Key = '' }) => Key.slice(prefix.length));
        const isLast = page.IsTruncated !== true || paths.length === 0;
        if (!isLast && paths.at(-1) === after) return toDestinationError(stuckListingError, 's3:ListBucket');
        return { kind: 'listed', paths, isLast };
      } catch (thrown) {
        return toDestinationError(toS3Error(thrown), 's3:ListBucket');
      }
    },
  };
}
