import { createHash } from 'node:crypto';
import type { PutObjectCommandInput } from '@aws-sdk/client-s3';
import type { S3Config } from './s3-settings.ts';

const aDayMs = 86_400_000;

/** Encryption, class and retention, which counts from `storedAt`: this machine's clock may be wrong. */
export function protection(config: S3Config, storedAt: string): Partial<PutObjectCommandInput> {
  const { S3_OBJECT_LOCK_MODE: mode, S3_OBJECT_LOCK_DAYS: days } = config;
  return {
    ...(config.S3_SSE && { ServerSideEncryption: config.S3_SSE }),
    ...(config.S3_SSE_KMS_KEY_ID && { SSEKMSKeyId: config.S3_SSE_KMS_KEY_ID }),
    ...(config.S3_STORAGE_CLASS && { StorageClass: config.S3_STORAGE_CLASS as 'STANDARD' }),
    ...(mode &&
      days && { ObjectLockMode: mode, ObjectLockRetainUntilDate: new Date(Date.parse(storedAt) + days * aDayMs) }),
  };
}

/**
 * What the store verifies the body by. Without any the body is still verified where requests are signed as S3 wants it:
 * the signature covers its SHA-256.
 */
export function checksum({ S3_CHECKSUM: kind }: S3Config, body: Buffer): Partial<PutObjectCommandInput> {
  if (kind === 'sha256') return { ChecksumSHA256: sha256Of(body) };
  if (kind === 'md5') return { ContentMD5: createHash('md5').update(body).digest('base64') };
  return {};
}

/** As S3 writes it. */
export function sha256Of(body: Buffer): string {
  return createHash('sha256').update(body).digest('base64');
}

/** What a PUT with these settings takes. */
export function putPermissions(config: S3Config): string {
  return [
    's3:PutObject',
    ...(config.S3_OBJECT_LOCK_MODE === undefined ? [] : ['s3:PutObjectRetention']),
    ...(config.S3_SSE === 'aws:kms' ? ['kms:GenerateDataKey'] : []),
  ].join(', ');
}
