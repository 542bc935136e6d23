import { createHash } from 'node:crypto';
import type { PutObjectCommandInput } from '@aws-sdk/client-s3';
import type { S3Settings } from './s3-settings.ts';

const dayMs = 86_400_000;

/** Encryption, class and retention. Retention counts from `storedAt`, because this machine's clock may be wrong. */
export function protectionHeaders(
  { encryption, storageClass, objectLock }: S3Settings,
  storedAt: string,
): Partial<PutObjectCommandInput> {
  return {
    ...(encryption && { ServerSideEncryption: encryption.kind }),
    ...(encryption?.kind === 'aws:kms' && encryption.keyId !== null && { SSEKMSKeyId: encryption.keyId }),
    ...(storageClass && { StorageClass: storageClass as 'STANDARD' }),
    ...(objectLock && {
      ObjectLockMode: objectLock.mode,
      ObjectLockRetainUntilDate: new Date(Date.parse(storedAt) + objectLock.days * dayMs),
    }),
  };
}

/**
 * What the store verifies the body by. Without a checksum the body is still verified where requests are signed the way S3
 * requires: the signature covers its SHA-256.
 */
export function checksumHeaders({ checksum }: S3Settings, body: Buffer): Partial<PutObjectCommandInput> {
  if (checksum === 'sha256') return { ChecksumSHA256: s3Sha256(body) };
  if (checksum === 'md5') return { ContentMD5: createHash('md5').update(body).digest('base64') };
  return {};
}

/** In base64, as S3 writes it. */
export function s3Sha256(body: Buffer): string {
  return createHash('sha256').update(body).digest('base64');
}

/** What a PUT with these settings needs. */
export function putPermissions({ objectLock, encryption }: S3Settings): string {
  return [
    's3:PutObject',
    ...(objectLock === null ? [] : ['s3:PutObjectRetention']),
    ...(encryption?.kind === 'aws:kms' ? ['kms:GenerateDataKey'] : []),
  ].join(', ');
}
