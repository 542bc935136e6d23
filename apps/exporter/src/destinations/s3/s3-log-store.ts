import type { Readable } from 'node:stream';
import { checkpointFolder, keyFolder } from '@auditbox/evidence/log-files.ts';
import { listPage } from '@auditbox/s3/list-page.ts';
import { getPermissions, missingOrError } from '@auditbox/s3/read-object.ts';
import type { S3Access } from '@auditbox/s3/s3-access.ts';
import { cutReadError, noStoreError, toS3Error } from '@auditbox/s3/s3-error.ts';
import { checksumHeaders, protectionHeaders, putPermissions } from '@auditbox/s3/s3-put-headers.ts';
import type { S3Settings } from '@auditbox/s3/s3-settings.ts';
import { GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import type { CompareOutcome, FileOutcome, HeadOutcome, LogStore } from '../../log/log-store.ts';

/** No file of the log is longer: 256 entries of 65,535 bytes, each with its length. A stranger's may be, and must not fill the memory. */
const mostBytes = 256 * (2 + 65_535);

/** A body that is too long is cut one byte behind `most`, and is not what was expected. */
async function readSmall(body: Readable, most: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of body as AsyncIterable<Buffer>) {
    parts.push(part);
    bytes += part.length;
    if (bytes > most) break;
  }
  return Buffer.concat(parts, Math.min(bytes, most + 1));
}

/** Classes whose objects must be restored before anybody can read them. */
const archiveClasses = new Set(['GLACIER', 'DEEP_ARCHIVE']);

/** S3 keeps 2 kB of metadata with an object. */
const mostMetadataBytes = 1_800;

/**
 * A copy of a checkpoint or a key note in its metadata. A HEAD returns it, also after a lifecycle rule has archived the file. So an
 * exporter can always check a signature.
 */
function noteMetadata(path: string, body: Buffer) {
  const note = body.toString('base64');
  const isNote = path.startsWith(checkpointFolder) || path.startsWith(keyFolder);
  return isNote && note.length <= mostMetadataBytes ? { Metadata: { note } } : {};
}

/** The log's files in a bucket. They are encrypted and locked like the objects, but never stored in an archive class. */
export function createS3LogStore(access: S3Access, settings: S3Settings): LogStore {
  const { client, bucket, bounded, toDestinationError } = access;
  const { prefix, storageClass } = settings;
  const protection = archiveClasses.has(storageClass ?? '') ? { ...settings, storageClass: null } : settings;

  async function read(path: string, signal: AbortSignal, most = mostBytes): Promise<FileOutcome> {
    try {
      return await bounded(signal, async (abortSignal) => {
        const command = new GetObjectCommand({ ...bucket, Key: `${prefix}${path}` });
        const { ETag, Body } = await client.send(command, { abortSignal });
        if (!ETag) return toDestinationError(noStoreError, getPermissions);
        return { kind: 'read', body: await readSmall(Body as Readable, most) };
      });
    } catch (thrown) {
      return missingOrError(access, thrown);
    }
  }

  async function head(path: string, signal: AbortSignal): Promise<HeadOutcome> {
    try {
      const command = new HeadObjectCommand({ ...bucket, Key: `${prefix}${path}` });
      const found = await bounded(signal, (abortSignal) => client.send(command, { abortSignal }));
      const { ETag, ContentLength: bytes = null, Metadata = {} } = found;
      if (!ETag) return toDestinationError(noStoreError, getPermissions);
      const note = Metadata.note === undefined ? null : Buffer.from(Metadata.note, 'base64').toString();
      return { kind: 'found', bytes, note };
    } catch (thrown) {
      return missingOrError(access, thrown);
    }
  }

  async function compare(path: string, body: Buffer, signal: AbortSignal): Promise<CompareOutcome> {
    const file = await read(path, signal);
    if (file.kind !== 'read') return file;
    if (file.body.equals(body)) return { kind: 'same' };
    // What a cut answer leaves of these bytes is their beginning.
    if (!body.subarray(0, file.body.length).equals(file.body)) return { kind: 'different' };
    const found = await head(path, signal);
    if (found.kind !== 'found') return found;
    const { bytes } = found;
    const isCut = bytes !== null && file.body.length < Math.min(bytes, mostBytes);
    return isCut ? toDestinationError(cutReadError(file.body.length, bytes), getPermissions) : { kind: 'different' };
  }

  return {
    read,
    head,
    compare,

    async create(path, body, storedAt, signal) {
      // Looked for first, because not every store honours If-None-Match.
      const before = await compare(path, body, signal);
      if (before.kind !== 'missing') return before;
      const command = new PutObjectCommand({
        ...bucket,
        ...protectionHeaders(protection, storedAt),
        ...checksumHeaders(settings, body),
        ...noteMetadata(path, body),
        Key: `${prefix}${path}`,
        Body: body,
        ContentType: path.includes('/tile/') ? 'application/octet-stream' : 'text/plain; charset=utf-8',
        IfNoneMatch: '*',
      });
      try {
        const { ETag } = await bounded(signal, (abortSignal) => client.send(command, { abortSignal }));
        // Every store sends an ETag. An answer without one came from a proxy or a login page, and nothing may be stored.
        return ETag ? { kind: 'created' } : toDestinationError(noStoreError, putPermissions(settings));
      } catch (thrown) {
        const error = toS3Error(thrown);
        if (error.status !== 412 && error.status !== 304) return toDestinationError(error, putPermissions(settings));
        const now = await compare(path, body, signal);
        // The store refuses to create a file that is not there. Nobody wrote other bytes.
        return now.kind === 'missing' ? toDestinationError(error, putPermissions(settings)) : now;
      }
    },

    async list(folder, after, signal) {
      const behind = after === '' ? '' : `${prefix}${after}`;
      const page = await listPage(access, { prefix: `${prefix}${folder}`, after: behind, shows: 'keys' }, signal);
      if (page.kind === 'error') return page;
      return { kind: 'listed', paths: page.names.map(({ name }) => name.slice(prefix.length)), isLast: page.isLast };
    },
  };
}
