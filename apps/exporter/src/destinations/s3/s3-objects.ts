import { getPermissions, missingOrError } from '@auditbox/s3/read-object.ts';
import type { S3Access } from '@auditbox/s3/s3-access.ts';
import { noStoreError, toS3Error } from '@auditbox/s3/s3-error.ts';
import { checksumHeaders, protectionHeaders, putPermissions, s3Sha256 } from '@auditbox/s3/s3-put-headers.ts';
import type { S3Settings } from '@auditbox/s3/s3-settings.ts';
import { HeadObjectCommand, PutObjectCommand, type PutObjectCommandInput } from '@aws-sdk/client-s3';
import type { HeadOutcome, PutOutcome } from '../destination.ts';

type CreateInput = Omit<PutObjectCommandInput, 'Bucket' | 'Body'> & { readonly Body: Buffer };

/** Creates and finds objects of a bucket. Errors are values. */
export interface S3Objects {
  /** Never overwrites. A retention counts from `storedAt`. */
  create(input: CreateInput, storedAt: string, signal: AbortSignal): Promise<PutOutcome>;
  head(key: string, signal: AbortSignal): Promise<HeadOutcome>;
}

export function createS3Objects(access: S3Access, settings: S3Settings): S3Objects {
  const { client, bucket, bounded, toDestinationError } = access;

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
        return missingOrError(access, thrown);
      }
    },
  };
}
