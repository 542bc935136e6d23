import { commonSettings, hostSetting, portRange } from '@auditbox/process/common-settings.ts';
import {
  flag,
  oneOf,
  optional,
  type SettingValues,
  secret,
  textOf,
  urlOf,
  wholeNumber,
} from '@auditbox/process/settings.ts';

const aDayMs = 86_400_000;

/** A gigabyte: uncompressed bytes of all uploads at once, what bodies that do not compress would take of memory. */
const maxBytesInFlight = 1024 ** 3;

/** The exporter's settings. Credentials come from the AWS SDK's default provider chain. */
export const exporterSettings = {
  ...commonSettings,
  HOST: hostSetting,
  METRICS_PORT: wholeNumber(portRange, {
    meaning: "The exporter's port for /livez, /readyz and /metrics; 0 takes any free one.",
    fallback: 9464,
  }),
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
  S3_REQUEST_TIMEOUT_MS: wholeNumber(
    { min: 100, max: 600_000 },
    { meaning: 'Longest time for one request to the store.', fallback: 30_000 },
  ),
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
  S3_EXPECTED_BUCKET_OWNER: optional(
    textOf(/^\d{12}$/, 'an AWS account id of 12 digits', {
      meaning: 'Refuse a bucket of any other account.',
      fallbackShown: 'any',
    }),
  ),
  S3_OBJECT_LOCK_MODE: optional(
    oneOf(['GOVERNANCE', 'COMPLIANCE'], {
      meaning: 'Object Lock set on each object.',
      fallbackShown: "the bucket's own",
    }),
  ),
  S3_OBJECT_LOCK_DAYS: optional(
    wholeNumber({ min: 1, max: 36_500 }, { meaning: 'How long S3_OBJECT_LOCK_MODE holds.', fallbackShown: 'none' }),
  ),
  EXPORT_POLL_INTERVAL_MS: wholeNumber(
    { min: 10, max: 60_000 },
    { meaning: 'Longest sleep between polls.', fallback: 1_000 },
  ),
  EXPORT_LINGER_MS: wholeNumber(
    { min: 0, max: aDayMs },
    { meaning: 'How long a row may wait for company.', fallback: 10_000 },
  ),
  EXPORT_BATCH_MAX_ROWS: wholeNumber(
    { min: 1, max: 100_000 },
    { meaning: 'Most rows of an object.', fallback: 10_000 },
  ),
  EXPORT_BATCH_MAX_BYTES: wholeNumber(
    { min: 1_024, max: 268_435_456 },
    { meaning: 'Most bytes of an object, uncompressed. A larger event is quarantined.', fallback: 16_777_216 },
  ),
  EXPORT_PARTITION: oneOf(['hour', 'day'], {
    meaning: 'How much event time is filed under one folder.',
    fallback: 'hour',
  }),
  EXPORT_CONCURRENCY: wholeNumber({ min: 1, max: 64 }, { meaning: 'Uploads at once.', fallback: 4 }),
  EXPORT_LEASE_MS: wholeNumber(
    { min: 1_000, max: 3_600_000 },
    { meaning: 'How long an exporter that died keeps its batches from others.', fallback: 60_000 },
  ),
  EXPORT_RETRY_CAP_MS: wholeNumber(
    { min: 10, max: 3_600_000 },
    {
      meaning: 'Longest wait between two tries while the store refuses; waits grow from 500 ms up to it.',
      fallback: 30_000,
    },
  ),
  OUTBOX_RETENTION_DAYS: wholeNumber(
    { min: 0, max: 36_500 },
    {
      meaning: 'Delete outbox rows this long after their export; ids stay taken and objects stay named. 0 keeps them.',
      fallback: 0,
    },
  ),
  AUDIT_RETENTION_DAYS: wholeNumber(
    { min: 0, max: 36_500 },
    {
      meaning:
        'Remove whole months of audit_log once all of a month is this old and exported; the objects stay. 0 keeps all.',
      fallback: 0,
    },
  ),
} as const;

/** Their values. */
export type ExporterConfig = SettingValues<typeof exporterSettings>;

/** What is wrong between settings that are right by themselves. */
export function exporterRelations(config: ExporterConfig): string[] {
  const problems: string[] = [];
  if (config.EXPORT_LEASE_MS < 2 * config.S3_REQUEST_TIMEOUT_MS) {
    problems.push(
      `EXPORT_LEASE_MS is ${config.EXPORT_LEASE_MS}; it takes twice S3_REQUEST_TIMEOUT_MS (${config.S3_REQUEST_TIMEOUT_MS}) or more, or a lease ends during an upload.`,
    );
  }
  const inFlight = config.EXPORT_CONCURRENCY * config.EXPORT_BATCH_MAX_BYTES;
  if (inFlight > maxBytesInFlight) {
    problems.push(
      `EXPORT_CONCURRENCY (${config.EXPORT_CONCURRENCY}) times EXPORT_BATCH_MAX_BYTES (${config.EXPORT_BATCH_MAX_BYTES}) is ${inFlight}; at most ${maxBytesInFlight} bytes may be in flight, since memory must hold them.`,
    );
  }
  if ((config.S3_OBJECT_LOCK_MODE === undefined) !== (config.S3_OBJECT_LOCK_DAYS === undefined)) {
    problems.push('S3_OBJECT_LOCK_MODE and S3_OBJECT_LOCK_DAYS go together; only one of them is set.');
  }
  if (config.S3_SSE_KMS_KEY_ID !== undefined && config.S3_SSE !== 'aws:kms') {
    problems.push('S3_SSE_KMS_KEY_ID is set; it takes S3_SSE=aws:kms.');
  }
  if (config.S3_ROLE_EXTERNAL_ID !== undefined && config.S3_ROLE_ARN === undefined) {
    problems.push('S3_ROLE_EXTERNAL_ID is set; it takes S3_ROLE_ARN.');
  }
  return problems;
}
