import { keyEnvironmentForm } from '@auditbox/db/keys/key-form.ts';
import type { NoteSigner } from '@auditbox/evidence/signed-note.ts';
import { cellRelations, cellSettings, type DatabasePlaces, nestCells } from '@auditbox/process/cell-settings.ts';
import { commonSettings, databaseUrl, hostSetting, portRange } from '@auditbox/process/common-settings.ts';
import {
  flag,
  listOf,
  optional,
  type Relation,
  readSettings,
  type SettingValues,
  secret,
  textOf,
  wholeNumber,
} from '@auditbox/process/settings.ts';
import type { S3Settings } from '@auditbox/s3/s3-settings.ts';
import { archiveEnvironment, archiveRelations, nestArchive } from './archive/archive-environment.ts';
import { httpEnvironment, httpRelations } from './http/http-environment.ts';
import { type HttpSettings, nestHttpSettings } from './http/http-settings.ts';
import { nestOidc, oidcEnvironment, oidcRelations } from './oidc/oidc-environment.ts';
import type { OidcSettings } from './oidc/oidc-settings.ts';
import { randomKey } from './random-key.ts';
import type { RedactSettings } from './redact/redact.ts';
import { nestRedaction, redactEnvironment, redactRelations } from './redact/redact-environment.ts';
import { nestReceipts, receiptEnvironment, receiptRelations } from './write/receipt-environment.ts';

/** The api's environment variables. Nothing outside of this file uses their names. */
export const apiSettingTable = {
  ...commonSettings,
  ...cellSettings,
  HOST: hostSetting,
  PORT: wholeNumber(portRange, { meaning: "The api's port. 0 uses any free port.", fallback: 4000 }),
  AUDIT_MASTER_KEY: optional(
    randomKey({
      meaning: 'A key with every scope, for the first steps. Without it only stored keys are valid.',
      fallbackShown: 'none',
    }),
  ),
  DATABASE_READ_URL: optional(
    databaseUrl({
      meaning: 'A replica that serves reads. Without it DATABASE_URL serves them.',
      fallbackShown: 'none',
    }),
  ),
  AUDIT_TOTAL_MAX: wholeNumber(
    { min: 1_000, max: 100_000_000 },
    {
      meaning: 'GET /audit counts at most this many matching events, and has numbered pages up to it.',
      fallback: 1_000_000,
    },
  ),
  AUDIT_OLDEST_EVENT_DAYS: wholeNumber(
    { min: 1, max: 100_000 },
    {
      meaning:
        'Events that happened longer ago are a 422, because each month of events is a table. Imports by SQL may go further.',
      fallback: 400,
    },
  ),
  AUDIT_ACTIONS: listOf('words separated by commas', {
    meaning: 'The closed set of actions.',
    fallback: ['created', 'updated', 'deleted', 'blocked', 'unblocked', 'rotated'],
  }),
  AUDIT_KEY_ENV: textOf(keyEnvironmentForm, 'at most 12 lower-case letters and digits', {
    meaning: 'What stands behind `abx_` in new keys.',
    fallback: 'live',
  }),
  AUDIT_READS: flag({
    meaning: 'Record each read and export as an audit event, before its answer begins.',
    fallback: false,
  }),
  ...oidcEnvironment,
  ...redactEnvironment,
  ...receiptEnvironment,
  ...httpEnvironment,
  ...archiveEnvironment,
  METRICS_TOKEN: optional(
    secret(
      textOf(/^[\x21-\x7e]{16,}$/, 'at least 16 visible ASCII characters', {
        meaning: 'The bearer token that GET /metrics of the api requires. Without it anyone can read the metrics.',
        fallbackShown: 'none',
      }),
    ),
  ),
} as const;

const replicaRelations: readonly Relation<typeof apiSettingTable>[] = [
  {
    between: ['DATABASE_CELLS', 'DATABASE_READ_URL'],
    problem: ({ DATABASE_CELLS: cells, DATABASE_READ_URL: replica }) =>
      cells !== undefined && replica !== undefined
        ? 'DATABASE_READ_URL and DATABASE_CELLS are both set; replicas do not work with cells yet. Unset DATABASE_READ_URL.'
        : null,
  },
];

/** The settings of an api. */
export interface ApiSettings extends HttpSettings {
  readonly logLevel: SettingValues<typeof apiSettingTable>['LOG_LEVEL'];
  readonly listen: { readonly host: string; readonly port: number };
  /** The OTLP endpoint for traces; undefined sends no traces. */
  readonly tracesEndpoint: string | undefined;
  readonly databases: DatabasePlaces;
  /** Which server serves reads that do not need the primary. */
  readonly reads: { readonly from: 'primary' } | { readonly from: 'replica'; readonly url: string };
  /** Null: only stored keys are valid. */
  readonly masterKey: string | null;
  /** What stands behind `abx_` in new keys. */
  readonly keyEnvironment: string;
  /** Whether reads are audit events. */
  readonly recordsReads: boolean;
  readonly redact: RedactSettings;
  /** Signs receipts for writers. Null: there are no receipts. */
  readonly receiptSigner: NoteSigner | null;
  /** Null: only keys are valid. */
  readonly oidc: OidcSettings | null;
  /** Where `archive=true` reads. Null: it is refused. */
  readonly archive: S3Settings | null;
  readonly metricsAccess: { readonly kind: 'public' } | { readonly kind: 'token'; readonly token: string };
  readonly actions: readonly string[];
  /** Older events are rejected. */
  readonly oldestEventDays: number;
  /** Lists count matching events up to this number, and have numbered pages up to it. */
  readonly totalMax: number;
}

/** Throws SettingsError, which names every wrong setting. */
export function readApiSettings(environment: Readonly<Record<string, string | undefined>>): ApiSettings {
  return nestSettings(
    readSettings(apiSettingTable, environment, [
      ...cellRelations,
      ...replicaRelations,
      ...oidcRelations,
      ...redactRelations,
      ...receiptRelations,
      ...httpRelations,
      ...archiveRelations,
    ]),
  );
}

function nestSettings(values: SettingValues<typeof apiSettingTable>): ApiSettings {
  const { DATABASE_READ_URL: replicaUrl, METRICS_TOKEN: token } = values;
  return Object.freeze<ApiSettings>({
    logLevel: values.LOG_LEVEL,
    listen: Object.freeze({ host: values.HOST, port: values.PORT }),
    ...nestHttpSettings(values),
    tracesEndpoint: values.OTEL_EXPORTER_OTLP_ENDPOINT,
    databases: nestCells(values),
    reads: Object.freeze(replicaUrl === undefined ? { from: 'primary' } : { from: 'replica', url: replicaUrl }),
    masterKey: values.AUDIT_MASTER_KEY ?? null,
    keyEnvironment: values.AUDIT_KEY_ENV,
    recordsReads: values.AUDIT_READS,
    redact: Object.freeze(nestRedaction(values)),
    receiptSigner: nestReceipts(values),
    oidc: nestOidc(values),
    metricsAccess: Object.freeze(token === undefined ? { kind: 'public' } : { kind: 'token', token }),
    actions: Object.freeze([...values.AUDIT_ACTIONS]),
    archive: nestArchive(values),
    oldestEventDays: values.AUDIT_OLDEST_EVENT_DAYS,
    totalMax: values.AUDIT_TOTAL_MAX,
  });
}
