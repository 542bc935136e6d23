import { HeadObjectCommand, PutObjectCommand, type PutObjectCommandInput } from '@aws-sdk/client-s3';
import type { DestinationError, HeadOutcome, PutOutcome } from '../destination.ts';
import type { S3Access } from './s3-access.ts';
import { noStoreError, toS3Error } from './s3-error.ts';
import { checksumHeaders, protectionHeaders, putPermissions, s3Sha256 } from './s3-put-headers.ts';
import type { S3Settings } from './s3-settings.ts';

type CreateInput = Omit<PutObjectCommandInput, 'Bucket' | 'Body'> & { readonly Body: Buffer };

export const getPermissions = 's3:GetObject; s3:ListBucket where the object is missing';

/** Creates and finds objects of a bucket. Errors are values. */
export interface S3Objects {
  /** Never overwrites. A retention counts from `storedAt`. */
  create(input: CreateInput, storedAt: string, signal: AbortSignal): Promise<PutOutcome>;
  head(key: string, signal: AbortSignal): Promise<HeadOutcome>;
  /** What an error of a read means. */
  missingOrError(thrown: unknown): { readonly kind: 'missing' } | DestinationError;
}

export function createS3Objects(access: S3Access, settings: S3Settings): S3Objects {
  const { client, bucket, bounded, toDestinationError } = access;

  function missingOrError(thrown: unknown): { readonly kind: 'missing' } | DestinationError {
    const error = toS3Error(thrown);
    return error.code === 'NotFound' || error.code === 'NoSuchKey'
      ? { kind: 'missing' }
      : toDestinationError(error, getPermissions);
  }

  return {
    async create(input, storedAt, signal) {
      const { Body } = input;
      const headers = { ...protectionHeaders(settings, storedAt), ...checksumHeaders(settings, Body) };
      const command = new PutObjectCommand({ ...bucket, ...headers, ...input, IfNoneMatch: '*' });
      try {
        const { ETag, ChecksumSHA256 } = await bounded(signal, (abortSignal) => client.send(command, { abortSignal }));
        // Every store sends an ETag. An answer without one came from a proxy or a login page.
        const isOurs = ETag && (ChecksumSHA256 === undefined || ChecksumSHA256 === s3Sha256(Body));
        return { kind: isOurs ? 'stored' : 'doubtful' };
      } catch (thrown) {
        const error = toS3Error(thrown);
        // Some older stores answer 304 instead of 412.
        if (error.status === 412 || error.status === 304) return { kind: 'exists' };
        return toDestinationError(error, putPermissions(settings));
      }
    },

    async head(key, signal) {
      try {
        const command = new HeadObjectCommand({ ...bucket, Key: key });
        const found = await bounded(signal, (abortSignal) => client.send(command, { abortSignal }));
        const { ETag, Metadata = {}, ContentLength: objectBytes = null } = found;
        if (!ETag) return toDestinationError(noStoreError, getPermissions);
        return { kind: 'found', sha256: Metadata.sha256 ?? null, rows: Metadata.rows ?? null, objectBytes };
      } catch (thrown) {
        return missingOrError(thrown);
      }
    },

    missingOrError,
  };
}
