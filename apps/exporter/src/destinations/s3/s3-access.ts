import { classifyDestinationError } from '@auditbox/core/export/error-class.ts';
import type { S3Client } from '@aws-sdk/client-s3';
import type { SinkRefusal } from '../destination.ts';
import { explainRefusal, type SinkPlace } from './explain-refusal.ts';
import { missingPermission } from './missing-permission.ts';
import type { SinkFault } from './s3-fault.ts';
import type { S3Config } from './s3-settings.ts';

/** A bucket, and what all requests to it have in common. */
export interface S3Access {
  readonly client: S3Client;
  /** Part of every request. */
  readonly bucket: { readonly Bucket: string; readonly ExpectedBucketOwner?: string };
  readonly prefix: string;
  /** Bounds a request and the look for credentials before it; throws what the request throws, or the timeout. */
  bounded<T>(signal: AbortSignal, send: (abortSignal: AbortSignal) => Promise<T>): Promise<T>;
  /** `permissions` are those that the request takes. */
  refusal(fault: SinkFault, permissions: string): SinkRefusal;
}

export function createS3Access(client: S3Client, config: S3Config): S3Access {
  const { S3_EXPECTED_BUCKET_OWNER: owner } = config;
  const place: SinkPlace = {
    bucket: config.S3_BUCKET,
    prefix: config.S3_PREFIX,
    endpoint: config.S3_ENDPOINT,
    timeoutMs: config.S3_REQUEST_TIMEOUT_MS,
    owner,
  };
  return {
    client,
    bucket: { Bucket: config.S3_BUCKET, ...(owner !== undefined && { ExpectedBucketOwner: owner }) },
    prefix: config.S3_PREFIX,

    // The SDK passes its signal to the request only: looking for credentials would not end without the race.
    async bounded(signal, send) {
      const abortSignal = AbortSignal.any([signal, AbortSignal.timeout(config.S3_REQUEST_TIMEOUT_MS)]);
      abortSignal.throwIfAborted();
      const { promise: over, reject } = Promise.withResolvers<never>();
      abortSignal.addEventListener('abort', () => reject(abortSignal.reason), { once: true });
      return Promise.race([send(abortSignal), over]);
    },

    refusal(fault, permissions) {
      const permission = missingPermission(fault, permissions);
      const message = explainRefusal(fault, place, permission);
      return { kind: 'refused', class: classifyDestinationError(fault), code: fault.code, message, permission };
    },
  };
}
