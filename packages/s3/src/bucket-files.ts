import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { listPage } from './list-page.ts';
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
  /** Copies an object into a new file. Throws when the file cannot be written. */
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

/** A full disk is not the store's fault, and trying again does not help. */
class LocalFileError extends Error {
  override readonly name = 'LocalFileError';
}

async function local<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new LocalFileError('A file cannot be written.', { cause: error });
  }
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
      if (thrown instanceof LocalFileError) throw thrown.cause;
      return missingOrError(access, thrown);
    }
  }

  async function look(key: string, signal: AbortSignal): Promise<{ readonly kind: 'exists' } | MissingOrError> {
    try {
      const command = new HeadObjectCommand({ ...bucket, Key: key });
      await bounded(signal, (abortSignal) => client.send(command, { abortSignal }));
      return { kind: 'exists' };
    } catch (thrown) {
      return missingOrError(access, thrown);
    }
  }

  return {
    async list(prefix, after, signal) {
      const page = await listPage(access, { prefix, after, shows: 'keys' }, signal);
      if (page.kind === 'error') return page;
      return { ...page, files: page.names.map(({ name, ...about }) => ({ key: name, ...about })) };
    },

    async listFolders(prefix, after, signal) {
      const page = await listPage(access, { prefix, after, shows: 'folders' }, signal);
      return page.kind === 'error' ? page : { ...page, folders: page.names.map(({ name }) => name) };
    },

    readLines: (key, signal, onLines) => readObject(access, key, signal, onLines),

    download: (key, path, signal) =>
      get(key, signal, async (body) => {
        const file = await local(open(path, 'wx'));
        try {
          for await (const part of body) await local(file.appendFile(part as Buffer));
        } finally {
          await local(file.close());
        }
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
        if (error.status !== 412 && error.status !== 304) return toDestinationError(error, putPermissions(settings));
        // A store that refuses each condition says so too, and then nobody has created the object.
        const there = await look(key, signal);
        return there.kind === 'missing' ? toDestinationError(error, putPermissions(settings)) : there;
      }
    },
  };
}
