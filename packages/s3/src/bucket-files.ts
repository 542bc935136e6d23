import { createWriteStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { findListingError } from './check-listing.ts';
import { getPermissions, missingOrError, type ReadOutcome, readObject } from './read-object.ts';
import type { S3Access, StoreError } from './s3-access.ts';
import { noStoreError, toS3Error } from './s3-error.ts';
import { checksumHeaders, protectionHeaders, putPermissions } from './s3-put-headers.ts';
import type { S3Settings } from './s3-settings.ts';

/** An object as a listing shows it. */
export interface BucketFile {
  readonly key: string;
  readonly bytes: number;
  /** Without its quotes. */
  readonly etag: string;
}

/** A bucket that is read, and in which objects are only created. */
export interface BucketFiles {
  /** The next objects whose keys start with `prefix` and sort after `after`, in the order of their keys: a thousand or so. */
  list(prefix: string, after: string, signal: AbortSignal): Promise<ListOutcome>;
  /** The next folders of which the keys start with `prefix` and sort after `after`. Each ends in a slash. */
  listFolders(prefix: string, after: string, signal: AbortSignal): Promise<FoldersOutcome>;
  /** Reads an object of events. */
  readLines(key: string, signal: AbortSignal, onLines?: (part: Buffer) => void): Promise<ReadOutcome>;
  /** Copies an object into a new file. */
  download(key: string, path: string, signal: AbortSignal): Promise<{ readonly kind: 'downloaded' } | MissingOrError>;
  /** A small object. */
  read(key: string, signal: AbortSignal): Promise<{ readonly kind: 'read'; readonly body: Buffer } | MissingOrError>;
  /** Creates an object of derived data: encrypted and stored like the others, and not locked. */
  create(file: NewFile, signal: AbortSignal): Promise<{ readonly kind: 'created' | 'exists' } | StoreError>;
}

type ListOutcome =
  | { readonly kind: 'listed'; readonly files: readonly BucketFile[]; readonly isLast: boolean }
  | StoreError;

type FoldersOutcome =
  | { readonly kind: 'listed'; readonly folders: readonly string[]; readonly isLast: boolean }
  | StoreError;

type MissingOrError = { readonly kind: 'missing' } | StoreError;

export interface NewFile {
  readonly key: string;
  readonly body: Buffer;
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export function createBucketFiles(access: S3Access, settings: S3Settings): BucketFiles {
  const { client, bucket, bounded, toDestinationError } = access;

  async function get<T>(key: string, signal: AbortSignal, use: (body: Readable) => Promise<T>) {
    try {
      return await bounded(signal, async (abortSignal) => {
        const { ETag, Body } = await client.send(new GetObjectCommand({ ...bucket, Key: key }), { abortSignal });
        return ETag ? await use(Body as Readable) : toDestinationError(noStoreError, getPermissions);
      });
    } catch (thrown) {
      return missingOrError(access, thrown);
    }
  }

  function listPage(page: { Prefix: string; Delimiter?: string; StartAfter?: string }, signal: AbortSignal) {
    const command = new ListObjectsV2Command({ ...bucket, ...page });
    return bounded(signal, (abortSignal) => client.send(command, { abortSignal }));
  }

  return {
    async list(prefix, after, signal) {
      try {
        const page = await listPage({ Prefix: prefix, ...(after !== '' && { StartAfter: after }) }, signal);
        const files = (page.Contents ?? []).map(({ Key = '', Size = 0, ETag = '' }) => ({
          key: Key,
          bytes: Size,
          etag: ETag.replaceAll('"', ''),
        }));
        const isLast = page.IsTruncated !== true || files.length === 0;
        const wrong = findListingError(page, after);
        if (wrong !== null) return toDestinationError(wrong, 's3:ListBucket');
        return { kind: 'listed', files, isLast };
      } catch (thrown) {
        return toDestinationError(toS3Error(thrown), 's3:ListBucket');
      }
    },

    async listFolders(prefix, after, signal) {
      try {
        // The character behind the slash: a store may compare the mark with the keys in the folder.
        const start = after === '' ? {} : { StartAfter: `${after.slice(0, -1)}0` };
        const page = await listPage({ Prefix: prefix, Delimiter: '/', ...start }, signal);
        const folders = (page.CommonPrefixes ?? []).map(({ Prefix = '' }) => Prefix);
        const isLast = page.IsTruncated !== true || folders.length === 0;
        const wrong = findListingError(page, after);
        if (wrong !== null) return toDestinationError(wrong, 's3:ListBucket');
        return { kind: 'listed', folders, isLast };
      } catch (thrown) {
        return toDestinationError(toS3Error(thrown), 's3:ListBucket');
      }
    },

    readLines: (key, signal, onLines) => readObject(access, key, signal, onLines),

    download: (key, path, signal) =>
      get(key, signal, async (body) => {
        await pipeline(body, createWriteStream(path, { flags: 'wx' }));
        return { kind: 'downloaded' };
      }),

    read: (key, signal) =>
      get(key, signal, async (body) => ({ kind: 'read', body: Buffer.concat(await body.toArray()) })),

    async create({ key, body, contentType, metadata }, signal) {
      const command = new PutObjectCommand({
        ...bucket,
        ...protectionHeaders({ ...settings, objectLock: null }, ''),
        ...checksumHeaders(settings, body),
        Key: key,
        Body: body,
        ContentLength: body.length,
        ContentType: contentType,
        Metadata: { ...metadata },
        IfNoneMatch: '*',
      });
      try {
        const { ETag } = await bounded(signal, (abortSignal) => client.send(command, { abortSignal }));
        // Every store sends an ETag. An answer without one came from a proxy or a login page.
        return ETag ? { kind: 'created' } : toDestinationError(noStoreError, putPermissions(settings));
      } catch (thrown) {
        const error = toS3Error(thrown);
        if (error.status === 412 || error.status === 304) return { kind: 'exists' };
        return toDestinationError(error, putPermissions(settings));
      }
    },
  };
}
