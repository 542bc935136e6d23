import { parseAuthorities } from '@auditbox/s3/authorities.ts';
import type { S3Settings } from '@auditbox/s3/s3-settings.ts';
import { z } from 'zod';
import { destinationUrl, requestLimits, secretText, tlsOptions } from '../configured/options.ts';

/** The keys of an entry of type `s3`. They have the meaning of the S3_ settings, and none of them is taken from there. */
export const bucketOptions = z.strictObject({
  bucket: z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'must be the name of a bucket'),
  prefix: z
    .string()
    .regex(/^(?!\/)[\w!.*'()/=-]{1,900}$/, "must be a key's beginning of letters, digits and !-_.*'()/=")
    .default('audit_logs/'),
  region: z.string().optional(),
  endpoint: destinationUrl.optional(),
  forcePathStyle: z.boolean().default(false),
  expectedOwner: z
    .string()
    .regex(/^\d{12}$/, 'must be an AWS account id of 12 digits')
    .optional(),
  accessKeyId: secretText.optional(),
  secretAccessKey: secretText.optional(),
  sessionToken: secretText.optional(),
  roleArn: z
    .string()
    .regex(/^arn:\S+$/, 'must be the ARN of a role')
    .optional(),
  roleExternalId: secretText.optional(),
  sse: z.enum(['AES256', 'aws:kms']).optional(),
  kmsKeyId: z.string().optional(),
  storageClass: z
    .string()
    .regex(/^[A-Z_]+$/, 'must be a storage class such as STANDARD_IA')
    .optional(),
  /** `batches`: NDJSON of many events. `events`: an object for each event, in the folders of LiteLLM. */
  layout: z.enum(['batches', 'events']).default('batches'),
  ca: tlsOptions.ca,
  ...requestLimits,
});

export type BucketOptions = z.output<typeof bucketOptions>;

/** `timeoutMs` is the entry's: a request to the store may take as long as a whole delivery. */
export function toS3Settings(
  options: BucketOptions,
  env: Readonly<Record<string, string | undefined>>,
  timeoutMs: number,
): S3Settings {
  const { accessKeyId: id, secretAccessKey: secret, roleArn: arn, endpoint } = options;
  if ((id === undefined) !== (secret === undefined))
    throw new Error('Only one of accessKeyId and secretAccessKey is set; set both or neither.');
  if (options.kmsKeyId !== undefined && options.sse !== 'aws:kms') throw new Error('kmsKeyId needs "sse": "aws:kms".');
  return {
    bucket: options.bucket,
    prefix: options.prefix,
    region: options.region ?? (endpoint === undefined ? null : 'us-east-1'),
    endpoint: endpoint ?? null,
    forcePathStyle: options.forcePathStyle,
    expectedOwner: options.expectedOwner ?? null,
    accessKey:
      id === undefined || secret === undefined ? null : { id, secret, sessionToken: options.sessionToken ?? null },
    role: arn === undefined ? null : { arn, externalId: options.roleExternalId ?? null, stsEndpoint: null },
    authorities: options.ca === undefined ? null : parseAuthorities(options.ca.text, options.ca.path),
    proxy: env.HTTPS_PROXY ? { url: env.HTTPS_PROXY, except: env.NO_PROXY ?? null } : null,
    connectionTimeoutMs: Math.min(5_000, timeoutMs),
    requestTimeoutMs: timeoutMs,
    checksum: 'sha256',
    encryption: toEncryption(options),
    storageClass: options.storageClass ?? null,
    objectLock: null,
  };
}

function toEncryption({ sse, kmsKeyId }: BucketOptions): S3Settings['encryption'] {
  if (sse === undefined) return null;
  return sse === 'AES256' ? { kind: sse } : { kind: sse, keyId: kmsKeyId ?? null };
}
