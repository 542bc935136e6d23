import type { S3Access } from '@auditbox/s3/s3-access.ts';
import { describeSource } from '@auditbox/s3/s3-credentials.ts';
import { type S3Error, toS3Error } from '@auditbox/s3/s3-error.ts';
import type { S3Settings } from '@auditbox/s3/s3-settings.ts';
import {
  GetBucketVersioningCommand,
  GetObjectLockConfigurationCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  type ObjectLockConfiguration,
} from '@aws-sdk/client-s3';
import type { DestinationError } from '../destination.ts';

/** What a bucket and its store report about themselves. Nothing here writes. */
export interface S3Inspector {
  /** What kind of credentials there are; never the credentials. */
  readCredentials(signal: AbortSignal): Promise<CredentialsState | DestinationError>;
  readBucket(signal: AbortSignal): Promise<BucketState>;
  readVersioning(signal: AbortSignal): Promise<VersioningState | DestinationError>;
  readObjectLock(signal: AbortSignal): Promise<ObjectLockState | DestinationError>;
  readProtection(
    key: string,
    signal: AbortSignal,
  ): Promise<ObjectProtection | { readonly kind: 'missing' } | DestinationError>;
}

interface CredentialsState {
  readonly kind: 'found';
  /** In words. */
  readonly source: string;
  /** ISO 8601; null for credentials that do not expire. */
  readonly expiresAt: string | null;
}

/** An error too can carry the region and the store's time. */
interface BucketState {
  readonly error: DestinationError | null;
  readonly region: string | null;
  /** By the store's clock, in ms since 1970; whole seconds. */
  readonly storeTimeMs: number | null;
}

interface VersioningState {
  readonly kind: 'known';
  readonly keepsVersions: boolean;
}

export interface ObjectLockState {
  readonly kind: 'known';
  readonly enabled: boolean;
  /** Such as "COMPLIANCE for 30 days"; null without one. */
  readonly defaultRetention: string | null;
}

/** How an object is encrypted, stored and locked. */
export interface ObjectProtection {
  readonly kind: 'found';
  /** AES256, aws:kms; null when the store does not report it. */
  readonly encryption: string | null;
  readonly kmsKey: string | null;
  readonly storageClass: string | null;
  readonly lockMode: string | null;
  readonly lockedUntil: string | null;
}

type Headers = Readonly<Record<string, string>>;

export function createS3Inspector(
  { client, bucket, bounded, toDestinationError }: S3Access,
  { role }: S3Settings,
): S3Inspector {
  async function read<T>(
    signal: AbortSignal,
    permission: string,
    send: (abortSignal: AbortSignal) => Promise<T>,
  ): Promise<T | DestinationError> {
    try {
      return await bounded(signal, send);
    } catch (thrown) {
      return toDestinationError(toS3Error(thrown), permission);
    }
  }

  /** The answer to a HEAD has no body. So it does not name what was not found, or what is wrong with the credentials. */
  async function findReason(error: S3Error, signal: AbortSignal): Promise<S3Error> {
    if (error.status === 404) return { ...error, code: 'NoSuchBucket' };
    if (error.status === null || ![400, 401, 403].includes(error.status)) return error;
    try {
      const command = new ListObjectsV2Command({ ...bucket, MaxKeys: 1 });
      await bounded(signal, (abortSignal) => client.send(command, { abortSignal }));
      return error;
    } catch (thrown) {
      const named = toS3Error(thrown);
      return named.status === null ? error : named;
    }
  }

  return {
    readCredentials: (signal) =>
      read(signal, 'sts:AssumeRole', async () => {
        const found = await client.config.credentials();
        const { $source: marks = {}, expiration } = found as typeof found & { $source?: Record<string, unknown> };
        return {
          kind: 'found',
          source: role === null ? describeSource(marks) : `the role ${role.arn} (S3_ROLE_ARN)`,
          expiresAt: expiration?.toISOString() ?? null,
        };
      }),

    async readBucket(signal) {
      let headers: Headers = {};
      const command = new HeadBucketCommand(bucket);
      command.middlewareStack.add(
        (next) => async (args) => {
          try {
            const result = await next(args);
            headers = readHeaders(result);
            return result;
          } catch (error) {
            headers = readHeaders({ response: (error as { $response?: unknown }).$response });
            throw error;
          }
        },
        { step: 'deserialize', name: 'keepHeaders' },
      );
      let failure: DestinationError | null = null;
      try {
        await bounded(signal, (abortSignal) => client.send(command, { abortSignal }));
      } catch (thrown) {
        failure = toDestinationError(await findReason(toS3Error(thrown), signal), 's3:ListBucket');
      }
      const date = Date.parse(headers.date ?? '');
      return {
        error: failure,
        region: headers['x-amz-bucket-region'] ?? null,
        storeTimeMs: Number.isNaN(date) ? null : date,
      };
    },

    readVersioning: (signal) =>
      read(signal, 's3:GetBucketVersioning', async (abortSignal) => {
        const { Status } = await client.send(new GetBucketVersioningCommand(bucket), { abortSignal });
        return { kind: 'known', keepsVersions: Status === 'Enabled' };
      }),

    async readObjectLock(signal) {
      const state = await read(signal, 's3:GetBucketObjectLockConfiguration', async (abortSignal) => {
        const command = new GetObjectLockConfigurationCommand(bucket);
        return toLockState((await client.send(command, { abortSignal })).ObjectLockConfiguration);
      });
      const isOff = state.kind === 'error' && state.code === 'ObjectLockConfigurationNotFoundError';
      return isOff ? toLockState(undefined) : state;
    },

    async readProtection(key, signal) {
      const protection = await read(signal, 's3:GetObject', async (abortSignal) => {
        const head = await client.send(new HeadObjectCommand({ ...bucket, Key: key }), { abortSignal });
        return {
          kind: 'found' as const,
          encryption: head.ServerSideEncryption ?? null,
          kmsKey: head.SSEKMSKeyId ?? null,
          storageClass: head.StorageClass ?? null,
          lockMode: head.ObjectLockMode ?? null,
          lockedUntil: head.ObjectLockRetainUntilDate?.toISOString() ?? null,
        };
      });
      return protection.kind === 'error' && protection.code === 'NotFound' ? { kind: 'missing' } : protection;
    },
  };
}

function readHeaders({ response }: { readonly response?: unknown }): Headers {
  return (response as { headers?: Headers } | undefined)?.headers ?? {};
}

function toLockState(configuration: ObjectLockConfiguration | undefined): ObjectLockState {
  const { Mode, Days, Years } = configuration?.Rule?.DefaultRetention ?? {};
  return {
    kind: 'known',
    enabled: configuration?.ObjectLockEnabled === 'Enabled',
    defaultRetention: Mode === undefined ? null : `${Mode} for ${Days ? `${Days} days` : `${Years} years`}`,
  };
}
