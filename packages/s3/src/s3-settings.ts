import type { KnownFile } from '@auditbox/process/reread-files.ts';
import type { S3Environment } from './s3-environment.ts';

/** Where the bucket is, how to reach it, and what each upload asks of it. Null leaves a choice to the bucket or the AWS SDK. */
export interface S3Settings {
  readonly bucket: string;
  /** What every key starts with. */
  readonly prefix: string;
  readonly region: string | null;
  /** Null is AWS. */
  readonly endpoint: string | null;
  readonly forcePathStyle: boolean;
  /** The account that must own the bucket; null accepts any. */
  readonly expectedOwner: string | null;
  /** Null uses what the AWS SDK finds. */
  readonly accessKey: AccessKey | null;
  /** The role to assume with the credentials found. */
  readonly role: AssumedRole | null;
  /** Authorities to trust in addition to the usual ones, in PEM. */
  readonly authorities: KnownFile | null;
  readonly proxy: Proxy | null;
  readonly connectionTimeoutMs: number;
  /** Credentials and connection included. */
  readonly requestTimeoutMs: number;
  readonly checksum: 'sha256' | 'md5' | 'none';
  readonly encryption: Encryption | null;
  readonly storageClass: string | null;
  readonly objectLock: ObjectLock | null;
}

interface AccessKey {
  readonly id: string;
  readonly secret: string;
  /** Of temporary credentials. */
  readonly sessionToken: string | null;
}

export interface AssumedRole {
  readonly arn: string;
  readonly externalId: string | null;
  readonly stsEndpoint: string | null;
}

interface Proxy {
  readonly url: string;
  /** Hosts that are reached without it, separated by commas. */
  readonly except: string | null;
}

type Encryption =
  | { readonly kind: 'AES256' }
  /** A null `keyId` is the bucket's key. */
  | { readonly kind: 'aws:kms'; readonly keyId: string | null };

/** Each object is locked for `days` from its upload. */
interface ObjectLock {
  readonly mode: 'GOVERNANCE' | 'COMPLIANCE';
  readonly days: number;
}

const defaultConnectionTimeoutMs = 5_000;

/** For values that satisfy s3Relations. */
export function parseS3Settings(values: S3Environment): S3Settings {
  const requestTimeoutMs = values.S3_REQUEST_TIMEOUT_MS;
  return {
    bucket: values.S3_BUCKET,
    prefix: values.S3_PREFIX,
    // Other stores ignore the region, but the signature needs one.
    region: values.S3_REGION ?? (values.S3_ENDPOINT === undefined ? null : 'us-east-1'),
    endpoint: values.S3_ENDPOINT ?? null,
    forcePathStyle: values.S3_FORCE_PATH_STYLE,
    expectedOwner: values.S3_EXPECTED_BUCKET_OWNER ?? null,
    accessKey: null,
    role: parseRole(values),
    authorities: values.S3_CA_FILE ?? null,
    proxy: values.HTTPS_PROXY === undefined ? null : { url: values.HTTPS_PROXY, except: values.NO_PROXY ?? null },
    connectionTimeoutMs: values.S3_CONNECTION_TIMEOUT_MS ?? Math.min(defaultConnectionTimeoutMs, requestTimeoutMs),
    requestTimeoutMs,
    checksum: values.S3_CHECKSUM,
    encryption: parseEncryption(values),
    storageClass: values.S3_STORAGE_CLASS ?? null,
    objectLock: parseObjectLock(values),
  };
}

function parseRole({ S3_ROLE_ARN: arn, ...values }: S3Environment): AssumedRole | null {
  if (arn === undefined) return null;
  return { arn, externalId: values.S3_ROLE_EXTERNAL_ID ?? null, stsEndpoint: values.S3_STS_ENDPOINT ?? null };
}

function parseEncryption({ S3_SSE: kind, S3_SSE_KMS_KEY_ID: keyId }: S3Environment): Encryption | null {
  if (kind === undefined) return null;
  return kind === 'AES256' ? { kind } : { kind, keyId: keyId ?? null };
}

function parseObjectLock({ S3_OBJECT_LOCK_MODE: mode, S3_OBJECT_LOCK_DAYS: days }: S3Environment): ObjectLock | null {
  return mode === undefined || days === undefined ? null : { mode, days };
}
