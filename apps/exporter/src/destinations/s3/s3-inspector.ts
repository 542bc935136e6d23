import {
  GetBucketVersioningCommand,
  GetObjectLockConfigurationCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  type ObjectLockConfiguration,
} from '@aws-sdk/client-s3';
import type { SinkRefusal } from '../destination.ts';
import type { BucketSeen, Inspector, ObjectLockState } from '../inspector.ts';
import { credentialsSource } from './credentials-source.ts';
import type { S3Access } from './s3-access.ts';
import { toFault } from './s3-fault.ts';
import type { S3Config } from './s3-settings.ts';

type Headers = Readonly<Record<string, string>>;

export function createS3Inspector({ client, bucket, bounded, refusal }: S3Access, config: S3Config): Inspector {
  /** A refusal is an answer here. */
  async function ask<T>(
    signal: AbortSignal,
    permission: string,
    send: (abortSignal: AbortSignal) => Promise<T>,
  ): Promise<T | SinkRefusal> {
    try {
      return await bounded(signal, send);
    } catch (error) {
      return refusal(toFault(error), permission);
    }
  }

  return {
    credentials: (signal) =>
      ask(signal, 'sts:AssumeRole', async () => {
        const found = await client.config.credentials();
        const { $source: marks = {}, expiration } = found as typeof found & { $source?: Record<string, unknown> };
        const { S3_ROLE_ARN: role } = config;
        return {
          kind: 'found',
          source: role === undefined ? credentialsSource(marks) : `the role ${role} (S3_ROLE_ARN)`,
          expiresAt: expiration?.toISOString() ?? null,
        };
      }),

    async bucket(signal): Promise<BucketSeen> {
      let headers: Headers = {};
      const command = new HeadBucketCommand(bucket);
      command.middlewareStack.add(
        (next) => async (args) => {
          try {
            const result = await next(args);
            headers = headersOf(result);
            return result;
          } catch (error) {
            headers = headersOf({ response: (error as { $response?: unknown }).$response });
            throw error;
          }
        },
        { step: 'deserialize', name: 'keepHeaders' },
      );
      let refused: SinkRefusal | null = null;
      try {
        await bounded(signal, (abortSignal) => client.send(command, { abortSignal }));
      } catch (error) {
        const fault = toFault(error);
        // The answer to a HEAD has no body, which would name what is not found.
        refused = refusal(fault.status === 404 ? { ...fault, code: 'NoSuchBucket' } : fault, 's3:ListBucket');
      }
      const date = Date.parse(headers.date ?? '');
      return {
        refusal: refused,
        region: headers['x-amz-bucket-region'] ?? null,
        storeTimeMs: Number.isNaN(date) ? null : date,
      };
    },

    versioning: (signal) =>
      ask(signal, 's3:GetBucketVersioning', async (abortSignal) => {
        const { Status } = await client.send(new GetBucketVersioningCommand(bucket), { abortSignal });
        return { kind: 'known', keepsVersions: Status === 'Enabled' };
      }),

    async objectLock(signal) {
      const state = await ask(signal, 's3:GetBucketObjectLockConfiguration', async (abortSignal) => {
        const command = new GetObjectLockConfigurationCommand(bucket);
        return lockState((await client.send(command, { abortSignal })).ObjectLockConfiguration);
      });
      const isOff = state.kind === 'refused' && state.code === 'ObjectLockConfigurationNotFoundError';
      return isOff ? lockState(undefined) : state;
    },

    async keeping(key, signal) {
      const kept = await ask(signal, 's3:GetObject', async (abortSignal) => {
        const seen = await client.send(new HeadObjectCommand({ ...bucket, Key: key }), { abortSignal });
        return {
          kind: 'found' as const,
          encryption: seen.ServerSideEncryption ?? null,
          kmsKey: seen.SSEKMSKeyId ?? null,
          storageClass: seen.StorageClass ?? null,
          lockMode: seen.ObjectLockMode ?? null,
          lockedUntil: seen.ObjectLockRetainUntilDate?.toISOString() ?? null,
        };
      });
      return kept.kind === 'refused' && kept.code === 'NotFound' ? { kind: 'missing' } : kept;
    },
  };
}

function headersOf({ response }: { readonly response?: unknown }): Headers {
  return (response as { headers?: Headers } | undefined)?.headers ?? {};
}

function lockState(configuration: ObjectLockConfiguration | undefined): ObjectLockState {
  const { Mode, Days, Years } = configuration?.Rule?.DefaultRetention ?? {};
  return {
    kind: 'known',
    enabled: configuration?.ObjectLockEnabled === 'Enabled',
    defaultRetention: Mode === undefined ? null : `${Mode} for ${Days ? `${Days} days` : `${Years} years`}`,
  };
}
