import {
  fileOf,
  flag,
  oneOf,
  optional,
  type SettingValues,
  secret,
  textOf,
  urlOf,
  wholeNumber,
} from '@auditbox/process/settings.ts';
import { parseCertificates } from './parse-certificates.ts';

/** The store: where it is, how it is reached and what it is asked for. Credentials come from the AWS SDK's default provider chain. */
export const s3Settings = {
  S3_BUCKET: textOf(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, "a bucket's name", {
    meaning: 'Where the objects go.',
    fallbackShown: 'required',
  }),
  S3_PREFIX: textOf(
    /^(?!\/)[\w!.*'()/=-]{1,900}$/,
    "a key's beginning of letters, digits and !-_.*'()/=, not starting with /",
    {
      meaning: 'What every key starts with.',
      fallback: 'audit_logs/',
    },
  ),
  S3_REGION: optional(
    textOf(/^[a-z0-9-]+$/, 'a region such as eu-central-1', {
      meaning: "The bucket's region.",
      fallbackShown: "AWS's own",
    }),
  ),
  S3_ENDPOINT: optional(
    urlOf(/^https?:$/, 'an http or https URL', { meaning: 'For S3-compatible stores.', fallbackShown: "AWS's own" }),
  ),
  S3_FORCE_PATH_STYLE: flag({ meaning: 'Put the bucket into the path instead of the host name.', fallback: false }),
  S3_EXPECTED_BUCKET_OWNER: optional(
    textOf(/^\d{12}$/, 'an AWS account id of 12 digits', {
      meaning: 'Refuse a bucket of any other account. Sent with every request.',
      fallbackShown: 'any',
    }),
  ),
  S3_ROLE_ARN: optional(
    textOf(/^arn:\S+$/, "a role's ARN", {
      meaning: 'Assume this role with the credentials found.',
      fallbackShown: 'none',
    }),
  ),
  S3_ROLE_EXTERNAL_ID: optional(
    secret(
      textOf(/^\S+$/, 'a text without blanks', { meaning: 'External id for S3_ROLE_ARN.', fallbackShown: 'none' }),
    ),
  ),
  S3_STS_ENDPOINT: optional(
    urlOf(/^https?:$/, 'an http or https URL', {
      meaning: 'Where S3_ROLE_ARN is assumed.',
      fallbackShown: "the region's own",
    }),
  ),
  S3_CA_FILE: optional(
    fileOf(parseCertificates, 'a file of certificates in PEM', {
      meaning: 'Authorities to trust besides the usual ones, for a store with a certificate of your own.',
      fallbackShown: 'none',
    }),
  ),
  HTTPS_PROXY: optional(
    secret(
      urlOf(/^https?:$/, 'a URL such as http://proxy:3128', {
        meaning: 'Proxy for https requests to the store and for S3_ROLE_ARN. Plain http goes without.',
        fallbackShown: 'none',
      }),
    ),
  ),
  NO_PROXY: optional(
    textOf(/\S/, 'names and addresses of hosts, separated by commas', {
      meaning: 'Hosts that are reached without HTTPS_PROXY.',
      fallbackShown: 'none',
    }),
  ),
  S3_CONNECTION_TIMEOUT_MS: optional(
    wholeNumber(
      { min: 100, max: 600_000 },
      { meaning: 'Longest time to connect.', fallbackShown: '5000, or S3_REQUEST_TIMEOUT_MS if less' },
    ),
  ),
  S3_REQUEST_TIMEOUT_MS: wholeNumber(
    { min: 100, max: 600_000 },
    { meaning: 'Longest time for one request to the store, credentials and connection included.', fallback: 30_000 },
  ),
  S3_CHECKSUM: oneOf(['sha256', 'md5', 'none'], {
    meaning: 'Checksum sent with each object, for the store to verify. md5 or none for a store that refuses SHA-256.',
    fallback: 'sha256',
  }),
  S3_SSE: optional(
    oneOf(['AES256', 'aws:kms'], {
      meaning: 'Encryption asked for with each object.',
      fallbackShown: "the bucket's own",
    }),
  ),
  S3_SSE_KMS_KEY_ID: optional(
    textOf(/^\S+$/, "a KMS key's id or ARN", { meaning: 'Key for aws:kms.', fallbackShown: "the bucket's own" }),
  ),
  S3_STORAGE_CLASS: optional(
    textOf(/^[A-Z_]+$/, 'a storage class such as STANDARD_IA', {
      meaning: "The objects' storage class.",
      fallbackShown: "the bucket's own",
    }),
  ),
  S3_OBJECT_LOCK_MODE: optional(
    oneOf(['GOVERNANCE', 'COMPLIANCE'], {
      meaning: 'Object Lock set on each object.',
      fallbackShown: "the bucket's own",
    }),
  ),
  S3_OBJECT_LOCK_DAYS: optional(
    wholeNumber(
      { min: 1, max: 36_500 },
      {
        meaning: "How long S3_OBJECT_LOCK_MODE holds, from the upload on by the database's clock.",
        fallbackShown: 'none',
      },
    ),
  ),
} as const;

/** Their values. */
export type S3Config = SettingValues<typeof s3Settings>;
