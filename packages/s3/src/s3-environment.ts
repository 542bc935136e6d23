import {
  fileOf,
  flag,
  oneOf,
  optional,
  type Relation,
  type SettingValues,
  secret,
  textOf,
  urlOf,
  wholeNumber,
} from '@auditbox/process/settings.ts';
import { parseAuthorities } from './authorities.ts';

/**
 * The environment variables about the store: where it is, how to reach it, and what each upload asks of it. Credentials
 * come from the AWS SDK's default provider chain.
 */
export const s3Environment = {
  S3_BUCKET: textOf(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'the name of a bucket', {
    meaning: 'The bucket that objects are written to.',
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
      fallbackShown: "the AWS SDK's",
    }),
  ),
  S3_ENDPOINT: optional(
    urlOf(/^https?:$/, 'an http or https URL', { meaning: 'For S3-compatible stores.', fallbackShown: 'AWS' }),
  ),
  S3_FORCE_PATH_STYLE: flag({ meaning: 'Put the bucket into the path instead of the host name.', fallback: false }),
  S3_EXPECTED_BUCKET_OWNER: optional(
    textOf(/^\d{12}$/, 'an AWS account id of 12 digits', {
      meaning: 'The account that must own the bucket. Sent with every request.',
      fallbackShown: 'any',
    }),
  ),
  S3_ROLE_ARN: optional(
    textOf(/^arn:\S+$/, 'the ARN of a role', {
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
      fallbackShown: "the region's",
    }),
  ),
  S3_CA_FILE: optional(
    fileOf(parseAuthorities, 'a file of certificates in PEM', {
      meaning: 'Authorities to trust in addition to the usual ones, for a store with a private certificate.',
      fallbackShown: 'none',
    }),
  ),
  HTTPS_PROXY: optional(
    secret(
      urlOf(/^https?:$/, 'a URL such as http://proxy:3128', {
        meaning: 'Proxy for https requests to the store and to STS. Not used for plain http.',
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
    meaning: 'Checksum sent with each object, for the store to verify. md5 or none for a store that rejects SHA-256.',
    fallback: 'sha256',
  }),
  S3_SSE: optional(
    oneOf(['AES256', 'aws:kms'], {
      meaning: 'Encryption requested for each object.',
      fallbackShown: "the bucket's",
    }),
  ),
  S3_SSE_KMS_KEY_ID: optional(
    textOf(/^\S+$/, 'the id or ARN of a KMS key', { meaning: 'Key for aws:kms.', fallbackShown: "the bucket's" }),
  ),
  S3_STORAGE_CLASS: optional(
    textOf(/^[A-Z_]+$/, 'a storage class such as STANDARD_IA', {
      meaning: "The objects' storage class.",
      fallbackShown: "the bucket's",
    }),
  ),
  S3_OBJECT_LOCK_MODE: optional(
    oneOf(['GOVERNANCE', 'COMPLIANCE'], {
      meaning: 'Object Lock set on each object.',
      fallbackShown: "the bucket's",
    }),
  ),
  S3_OBJECT_LOCK_DAYS: optional(
    wholeNumber(
      { min: 1, max: 36_500 },
      {
        meaning: "How long S3_OBJECT_LOCK_MODE holds, counted from the upload by the database's clock.",
        fallbackShown: 'none',
      },
    ),
  ),
} as const;

export type S3Environment = SettingValues<typeof s3Environment>;

/** Combinations of these variables that are wrong. */
export const s3Relations: readonly Relation<typeof s3Environment>[] = [
  {
    between: ['S3_CONNECTION_TIMEOUT_MS', 'S3_REQUEST_TIMEOUT_MS'],
    problem: ({ S3_CONNECTION_TIMEOUT_MS: connectMs = 0, S3_REQUEST_TIMEOUT_MS: requestMs }) =>
      connectMs > requestMs
        ? `S3_CONNECTION_TIMEOUT_MS is ${connectMs}; it must be at most S3_REQUEST_TIMEOUT_MS (${requestMs}).`
        : null,
  },
  {
    between: ['S3_OBJECT_LOCK_MODE', 'S3_OBJECT_LOCK_DAYS'],
    problem: ({ S3_OBJECT_LOCK_MODE: mode, S3_OBJECT_LOCK_DAYS: days }) =>
      (mode === undefined) === (days === undefined)
        ? null
        : 'Only one of S3_OBJECT_LOCK_MODE and S3_OBJECT_LOCK_DAYS is set; set both or neither.',
  },
  {
    between: ['S3_OBJECT_LOCK_MODE', 'S3_CHECKSUM'],
    problem: ({ S3_OBJECT_LOCK_MODE: mode, S3_CHECKSUM: checksum }) =>
      mode !== undefined && checksum === 'none'
        ? 'S3_CHECKSUM is "none"; S3_OBJECT_LOCK_MODE needs sha256 or md5, because S3 locks no object without a checksum.'
        : null,
  },
  {
    between: ['S3_SSE', 'S3_SSE_KMS_KEY_ID'],
    problem: ({ S3_SSE: sse, S3_SSE_KMS_KEY_ID: key }) =>
      key !== undefined && sse !== 'aws:kms' ? 'S3_SSE_KMS_KEY_ID is set; it needs S3_SSE=aws:kms.' : null,
  },
  needs('S3_ROLE_EXTERNAL_ID', 'S3_ROLE_ARN'),
  needs('S3_STS_ENDPOINT', 'S3_ROLE_ARN'),
];

function needs(name: keyof S3Environment, other: keyof S3Environment): Relation<typeof s3Environment> {
  return {
    between: [name, other],
    problem: (values) =>
      values[name] !== undefined && values[other] === undefined ? `${name} is set; it needs ${other}.` : null,
  };
}
