import { commonSettings, hostSetting, portRange } from '@auditbox/process/common-settings.ts';
import { oneOf, type Relation, type SettingValues, wholeNumber } from '@auditbox/process/settings.ts';
import { s3Relations } from './destinations/s3/s3-relations.ts';
import { s3Settings } from './destinations/s3/s3-settings.ts';

const aDayMs = 86_400_000;

/** A gigabyte: uncompressed bytes of all uploads at once, what bodies that do not compress would take of memory. */
const maxBytesInFlight = 1024 ** 3;

/** The exporter's settings. */
export const exporterSettings = {
  ...commonSettings,
  HOST: hostSetting,
  METRICS_PORT: wholeNumber(portRange, {
    meaning: "The exporter's port for /livez, /readyz and /metrics; 0 takes any free one.",
    fallback: 9464,
  }),
  ...s3Settings,
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

/** What the settings must be to each other. */
export const exporterRelations: readonly Relation<typeof exporterSettings>[] = [
  ...s3Relations,
  {
    between: ['EXPORT_LEASE_MS', 'S3_REQUEST_TIMEOUT_MS'],
    problem: ({ EXPORT_LEASE_MS: leaseMs, S3_REQUEST_TIMEOUT_MS: requestMs }) =>
      leaseMs < 2 * requestMs
        ? `EXPORT_LEASE_MS is ${leaseMs}; it takes twice S3_REQUEST_TIMEOUT_MS (${requestMs}) or more, or a lease ends during an upload.`
        : null,
  },
  {
    between: ['EXPORT_CONCURRENCY', 'EXPORT_BATCH_MAX_BYTES'],
    problem: ({ EXPORT_CONCURRENCY: uploads, EXPORT_BATCH_MAX_BYTES: bytes }) =>
      uploads * bytes > maxBytesInFlight
        ? `EXPORT_CONCURRENCY (${uploads}) times EXPORT_BATCH_MAX_BYTES (${bytes}) is ${uploads * bytes}; at most ${maxBytesInFlight} bytes may be in flight, since memory must hold them.`
        : null,
  },
];
