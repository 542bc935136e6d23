import { classifyDestinationError, type ErrorClass } from '@auditbox/core/export/error-class.ts';
import type { S3Client } from '@aws-sdk/client-s3';
import { explainS3Error } from './explain-error.ts';
import { findMissingPermission, type S3Error } from './s3-error.ts';
import type { S3Settings } from './s3-settings.ts';

/** A bucket, and what all requests to it have in common. */
export interface S3Access {
  readonly client: S3Client;
  /** Part of every request. */
  readonly bucket: { readonly Bucket: string; readonly ExpectedBucketOwner?: string };
  /** Sends a request within the deadline, credentials included. Throws what the request throws, or the timeout. */
  bounded<T>(signal: AbortSignal, send: (abortSignal: AbortSignal) => Promise<T>): Promise<T>;
  /** `permissions` are those that the request needs. */
  toDestinationError(error: S3Error, permissions: string): StoreError;
}

/** The store did not do what was requested. A value, never thrown. */
export interface StoreError {
  readonly kind: 'error';
  readonly class: ErrorClass;
  readonly code: string;
  /** A sentence for people. */
  readonly message: string;
  /** The permission that the credentials lack, if that is known to be the reason. */
  readonly permission: string | null;
}

export function createS3Access(client: S3Client, settings: S3Settings): S3Access {
  const { bucket, expectedOwner, requestTimeoutMs } = settings;
  return {
    client,
    bucket: { Bucket: bucket, ...(expectedOwner !== null && { ExpectedBucketOwner: expectedOwner }) },

    // The SDK gives its signal to the request only. Without the race, a search for credentials could last for ever.
    async bounded(signal, send) {
      const abortSignal = AbortSignal.any([signal, AbortSignal.timeout(requestTimeoutMs)]);
      abortSignal.throwIfAborted();
      const { promise: aborted, reject } = Promise.withResolvers<never>();
      abortSignal.addEventListener('abort', () => reject(abortSignal.reason), { once: true });
      return Promise.race([send(abortSignal), aborted]);
    },

    toDestinationError(error, permissions) {
      const permission = findMissingPermission(error, permissions);
      const message = explainS3Error(error, settings, permission);
      return { kind: 'error', class: classifyDestinationError(error), code: error.code, message, permission };
    },
  };
}
