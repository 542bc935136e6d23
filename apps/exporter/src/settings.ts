import { cellFolder, readCellFolder } from '@auditbox/core/cells/cell-folder.ts';
import type { Compression } from '@auditbox/core/export/compression.ts';
import type { Backoff } from '@auditbox/core/export/retry-delay.ts';
import type { SealLimits } from '@auditbox/db/export/seal-batches.ts';
import { cellName } from '@auditbox/process/cell-settings.ts';
import { commonSettings, hostSetting, portRange } from '@auditbox/process/common-settings.ts';
import {
  flag,
  oneOf,
  optional,
  type Relation,
  readSettings,
  type SettingValues,
  textOf,
  wholeNumber,
} from '@auditbox/process/settings.ts';
import { s3Environment, s3Relations } from '@auditbox/s3/s3-environment.ts';
import { parseS3Settings, type S3Settings } from '@auditbox/s3/s3-settings.ts';
import { validate } from 'node-cron';
import type { DestinationsSettings } from './destinations/configured/configured-destination.ts';
import { destinationsEnvironment } from './destinations/configured/destinations-environment.ts';
import { parseDestinations } from './destinations/configured/parse-destinations.ts';
import { logEnvironment, logRelations } from './log/log-environment.ts';
import { type LogSettings, parseLogSettings } from './log/log-settings.ts';

const dayMs = 86_400_000;

/** Uncompressed bytes of all uploads at once. Bodies that do not compress would need this much memory. */
const maxBytesInFlight = 1024 ** 3;

/** A backfill over a thousand hours must not become a thousand uploads at once. */
const maxBatchesPerSeal = 64;

const firstRetryMs = 500;

/** A key has at most 1,024 bytes, the folder of a tenant at most 250, and what is behind it about 70. */
const longestPrefixByTenant = 600;

const cronExpression = /^[\d*,/-]+( [\w*,/-]+){4}$/;

/** The exporter's environment variables. */
export const exporterSettings = {
  ...commonSettings,
  HOST: hostSetting,
  METRICS_PORT: wholeNumber(portRange, {
    meaning: "The exporter's port for /livez, /readyz and /metrics; 0 chooses any free port.",
    fallback: 9464,
  }),
  ...s3Environment,
  CELL_NAME: cellName,
  EXPORT_POLL_INTERVAL_MS: wholeNumber(
    { min: 10, max: 60_000 },
    { meaning: 'Longest sleep between polls.', fallback: 1_000 },
  ),
  EXPORT_LINGER_MS: wholeNumber(
    { min: 0, max: dayMs },
    { meaning: 'How long a row may wait for other rows of its partition.', fallback: 10_000 },
  ),
  EXPORT_BATCH_MAX_ROWS: wholeNumber(
    { min: 1, max: 100_000 },
    { meaning: 'Most rows of an object.', fallback: 10_000 },
  ),
  EXPORT_BATCH_MAX_BYTES: wholeNumber(
    { min: 1_024, max: 268_435_456 },
    {
      meaning: 'Most bytes of an object, uncompressed. A larger event gets an object to itself.',
      fallback: 16_777_216,
    },
  ),
  EXPORT_PARTITION: oneOf(['hour', 'day'], {
    meaning: 'How much event time is filed under one folder.',
    fallback: 'hour',
  }),
  EXPORT_BY_TENANT: flag({
    meaning:
      "Whether each tenant's objects lie in a separate folder, `tenant=…/`. Each tenant then fills objects alone.",
    fallback: false,
  }),
  EXPORT_COMPRESSION: oneOf(['gzip', 'zstd'], {
    meaning: 'How objects are compressed. zstd needs a seventh of the processor time and makes smaller objects.',
    fallback: 'gzip',
  }),
  EXPORT_CONCURRENCY: wholeNumber({ min: 1, max: 64 }, { meaning: 'Uploads at once.', fallback: 4 }),
  EXPORT_LEASE_MS: wholeNumber(
    { min: 1_000, max: 3_600_000 },
    { meaning: 'How long the batches of an exporter that died are kept from other exporters.', fallback: 60_000 },
  ),
  EXPORT_RETRY_CAP_MS: wholeNumber(
    { min: 10, max: 3_600_000 },
    {
      meaning: 'Longest wait between two attempts while the store returns errors; waits grow from 500 ms to this.',
      fallback: 30_000,
    },
  ),
  ...destinationsEnvironment,
  ...logEnvironment,
  AUDIT_RETENTION_DAYS: wholeNumber(
    { min: 0, max: 36_500 },
    {
      meaning:
        'Only for `npm run retention`: remove a month of audit_log once all of its events are this old and their objects were read back; the objects stay. 0 keeps all months.',
      fallback: 0,
    },
  ),
  RETENTION_SCHEDULE: optional(
    textOf(cronExpression, 'a cron expression of five fields, such as 17 3 * * *', {
      meaning: 'Only for `npm run retention`: run at these times, in UTC, instead of once.',
      fallbackShown: 'one run',
    }),
  ),
} as const;

type ExporterEnvironment = SettingValues<typeof exporterSettings>;

const relations: readonly Relation<typeof exporterSettings>[] = [
  ...s3Relations,
  ...logRelations,
  {
    between: ['EXPORT_LEASE_MS', 'S3_REQUEST_TIMEOUT_MS'],
    problem: ({ EXPORT_LEASE_MS: leaseMs, S3_REQUEST_TIMEOUT_MS: requestMs }) =>
      leaseMs < 2 * requestMs
        ? `EXPORT_LEASE_MS is ${leaseMs}; it must be at least twice S3_REQUEST_TIMEOUT_MS (${requestMs}); otherwise a lease can expire during an upload.`
        : null,
  },
  {
    between: ['EXPORT_BY_TENANT', 'S3_PREFIX'],
    problem: ({ EXPORT_BY_TENANT: byTenant, S3_PREFIX: prefix }) =>
      byTenant && prefix.length > longestPrefixByTenant
        ? `S3_PREFIX has ${prefix.length} characters; with EXPORT_BY_TENANT=true it may have ${longestPrefixByTenant}, because a key has at most 1,024 bytes.`
        : null,
  },
  {
    between: ['CELL_NAME', 'EXPORT_LOG_ORIGIN'],
    problem: ({ CELL_NAME: cell, EXPORT_LOG_ORIGIN: origin }) =>
      cell !== undefined && origin !== undefined && !origin.endsWith(`/${cell}`)
        ? `EXPORT_LOG_ORIGIN is ${origin}; with CELL_NAME=${cell} it must end with /${cell}, because each cell has its own log.`
        : null,
  },
  {
    between: ['CELL_NAME', 'S3_PREFIX'],
    // The commands of the archive look for no cell in the folder of a cell, and would answer without its events.
    problem: ({ CELL_NAME: cell, S3_PREFIX: prefix }) =>
      cell !== undefined && readCellFolder(prefix) !== null
        ? `S3_PREFIX is ${prefix}, the folder of a cell; with CELL_NAME=${cell} keys get the folder by themselves. Leave \`cell=${readCellFolder(prefix)}/\` out.`
        : null,
  },
  {
    between: ['RETENTION_SCHEDULE'],
    problem: ({ RETENTION_SCHEDULE: times }) =>
      times !== undefined && !validate(times) ? `RETENTION_SCHEDULE is ${times}; that is not a cron expression.` : null,
  },
  {
    between: ['EXPORT_CONCURRENCY', 'EXPORT_BATCH_MAX_BYTES'],
    problem: ({ EXPORT_CONCURRENCY: uploads, EXPORT_BATCH_MAX_BYTES: bytes }) =>
      uploads * bytes > maxBytesInFlight
        ? `EXPORT_CONCURRENCY (${uploads}) times EXPORT_BATCH_MAX_BYTES (${bytes}) is ${uploads * bytes}; at most ${maxBytesInFlight} bytes may be in flight, because memory must hold them.`
        : null,
  },
];

/** What the exporter was told by its environment. */
export interface ExporterSettings {
  readonly databaseUrl: string;
  readonly databaseSchema: string;
  /** Null: there are no other cells. */
  readonly cell: string | null;
  readonly logLevel: ExporterEnvironment['LOG_LEVEL'];
  /** Where traces are sent; null sends none. */
  readonly tracesEndpoint: string | null;
  /** Where /livez, /readyz and /metrics are served. */
  readonly health: { readonly host: string; readonly port: number };
  readonly pollIntervalMs: number;
  readonly seal: SealLimits;
  readonly send: {
    /** Most uploads at once. */
    readonly concurrency: number;
    readonly leaseMs: number;
    readonly backoff: Backoff;
  };
  readonly compression: Compression;
  /** Null without a log. */
  readonly log: LogSettings | null;
  readonly retention: {
    /** Null keeps all months. */
    readonly days: number | null;
    /** Null runs once. */
    readonly schedule: string | null;
  };
  readonly s3: S3Settings;
  readonly destinations: DestinationsSettings;
}

/** How long an event may wait for its export in seconds: as long as the alert allows, and no less than the linger. */
export function longestWaitS({ lingerMs }: Pick<SealLimits, 'lingerMs'>): number {
  return 300 + lingerMs / 1000;
}

/** Reads the settings. Throws a SettingsError that names all wrong ones. */
export function readExporterSettings(environment: Readonly<Record<string, string | undefined>>): ExporterSettings {
  let destinations: DestinationsSettings | null = null;
  const values = readSettings(exporterSettings, environment, relations, (known) => {
    const parsed = parseDestinations(known, environment);
    destinations = parsed.settings;
    return parsed.problems;
  });
  if (destinations === null) throw new TypeError('The destinations were not read.');
  return freeze({
    databaseUrl: values.DATABASE_URL,
    databaseSchema: values.DATABASE_SCHEMA,
    cell: values.CELL_NAME ?? null,
    logLevel: values.LOG_LEVEL,
    tracesEndpoint: values.OTEL_EXPORTER_OTLP_ENDPOINT ?? null,
    health: { host: values.HOST, port: values.METRICS_PORT },
    pollIntervalMs: values.EXPORT_POLL_INTERVAL_MS,
    seal: {
      grain: values.EXPORT_PARTITION,
      byTenant: values.EXPORT_BY_TENANT,
      maxRows: values.EXPORT_BATCH_MAX_ROWS,
      maxBytes: values.EXPORT_BATCH_MAX_BYTES,
      lingerMs: values.EXPORT_LINGER_MS,
      maxBatches: maxBatchesPerSeal,
    },
    send: {
      concurrency: values.EXPORT_CONCURRENCY,
      leaseMs: values.EXPORT_LEASE_MS,
      backoff: { baseMs: firstRetryMs, capMs: values.EXPORT_RETRY_CAP_MS },
    },
    compression: values.EXPORT_COMPRESSION,
    log: parseLogSettings(values),
    retention: {
      days: values.AUDIT_RETENTION_DAYS || null,
      schedule: values.RETENTION_SCHEDULE ?? null,
    },
    s3: parseS3Settings({
      ...values,
      // Batches of all cells have the same numbers.
      S3_PREFIX: `${values.S3_PREFIX}${values.CELL_NAME === undefined ? '' : cellFolder(values.CELL_NAME)}`,
    }),
    destinations,
  });
}

/** The nested objects too. */
function freeze<T extends object>(settings: T): T {
  // The bytes of a key cannot be frozen.
  if (ArrayBuffer.isView(settings)) return settings;
  for (const value of Object.values(settings)) if (typeof value === 'object' && value !== null) freeze(value);
  return Object.freeze(settings);
}
