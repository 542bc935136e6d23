import { keyEnvironmentForm } from '@auditbox/db/keys/key-form.ts';
import { commonSettings, databaseUrl, hostSetting, portRange } from '@auditbox/process/common-settings.ts';
import {
  flag,
  listOf,
  listOfEach,
  optional,
  readSettings,
  type Setting,
  type SettingValues,
  secret,
  textOf,
  urlOf,
  wholeNumber,
} from '@auditbox/process/settings.ts';
import type { z } from 'zod';
import type { ConnectionLimits, FlightLimits, RateLimits, TlsFiles } from './http/limits.ts';

/** The length cannot prove that a text is random. One with few different characters certainly is not. */
function varied(setting: Setting<string>): Setting<string> {
  const isVaried = (text: string) => new Set(text).size >= 10;
  return {
    ...setting,
    schema: (setting.schema as z.ZodType<string, string>).refine(isVaried) as typeof setting.schema,
  };
}

/** The api's environment variables. Nothing outside of this file uses their names. */
export const apiSettingTable = {
  ...commonSettings,
  HOST: hostSetting,
  PORT: wholeNumber(portRange, { meaning: "The api's port. 0 uses any free port.", fallback: 4000 }),
  AUDIT_MASTER_KEY: optional(
    secret(
      varied(
        textOf(
          /^(?:[0-9a-fA-F]{64,}|[A-Za-z0-9_+/=-]{43,})$/,
          '32 random bytes, such as `openssl rand -hex 32` prints',
          {
            meaning: 'A key with every scope, for the first steps. Without it only stored keys are valid.',
            fallbackShown: 'none',
          },
        ),
      ),
    ),
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
  HTTP_MAX_CONNECTIONS: wholeNumber(
    { min: 10, max: 1_000_000 },
    { meaning: 'Connections at once. Further ones are closed when they arrive.', fallback: 10_000 },
  ),
  HTTP_HEADERS_TIMEOUT_MS: wholeNumber(
    { min: 1_000, max: 600_000 },
    { meaning: 'Longest time from the first byte of a request to the end of its headers.', fallback: 10_000 },
  ),
  HTTP_REQUEST_TIMEOUT_MS: wholeNumber(
    { min: 1_000, max: 3_600_000 },
    { meaning: 'Longest time from the first byte of a request to the end of its body.', fallback: 300_000 },
  ),
  HTTP_STALL_TIMEOUT_MS: wholeNumber(
    { min: 1_000, max: 3_600_000 },
    {
      meaning: 'A caller that sends nothing of its body, or takes nothing of its answer, for this long is cut off.',
      fallback: 60_000,
    },
  ),
  HTTP_KEEP_ALIVE_MS: wholeNumber(
    { min: 1_000, max: 3_600_000 },
    {
      meaning:
        'How long an idle connection stays open. It must be longer than the keep-alive of a proxy in front, or the proxy sends requests into connections that just closed.',
      fallback: 75_000,
    },
  ),
  HTTP_BYTES_IN_FLIGHT: wholeNumber(
    { min: 16_777_216, max: 17_179_869_184 },
    {
      meaning: 'Most bytes of bodies and answers in memory at once. Further requests are a 429.',
      fallback: 100_663_296,
    },
  ),
  HTTP_BYTES_IN_FLIGHT_PER_KEY: wholeNumber(
    { min: 16_777_216, max: 17_179_869_184 },
    { meaning: 'The same for the requests of one key.', fallback: 25_165_824 },
  ),
  TLS_CERT_FILE: optional(
    textOf(/^/, 'the path of a file in PEM', {
      meaning: 'The certificate, with its chain. With it the api speaks TLS. A changed file is read again within 10 s.',
      fallbackShown: 'plain HTTP',
    }),
  ),
  TLS_KEY_FILE: optional(
    textOf(/^/, 'the path of a file in PEM', { meaning: 'The key of TLS_CERT_FILE.', fallbackShown: 'none' }),
  ),
  TLS_CLIENT_CA_FILE: optional(
    textOf(/^/, 'the path of a file in PEM', {
      meaning: 'Authorities. With it every caller needs a certificate from one of them, and a key as well.',
      fallbackShown: 'none',
    }),
  ),
  ADMIN_PORT: optional(
    wholeNumber(portRange, {
      meaning:
        'A second port, with /metrics, /livez, /readyz, /docs and /openapi.json. Then PORT has /livez and /readyz of them.',
      fallbackShown: 'none',
    }),
  ),
  ADMIN_HOST: textOf(/^[\w.:-]+$/, 'an address or a host name', {
    meaning: 'The address on which ADMIN_PORT listens, in plain HTTP.',
    fallback: '127.0.0.1',
  }),
  PUBLIC_URL: optional(
    urlOf(/^https?:$/, 'an http or https URL', {
      meaning:
        'Where callers reach the api, such as https://audit.example.com/auditbox. Links in answers begin with its path. A proxy may remove the path or pass it on.',
      fallbackShown: 'none',
    }),
  ),
  TRUSTED_PROXIES: listOfEach(/^[0-9a-fA-F.:]+(\/\d{1,3})?$/, 'addresses and networks separated by commas', {
    meaning: 'Proxies whose X-Forwarded-For names the address of a caller. Limits of addresses need it behind a proxy.',
    fallback: [],
    fallbackShown: 'none',
  }),
  CORS_ORIGINS: listOfEach(/^https?:\/\/[\w.:[\]-]+$/, 'origins separated by commas', {
    meaning: 'Origins whose pages may call the api from a browser.',
    fallback: [],
    fallbackShown: 'none',
  }),
  SECURITY_CONTACT: optional(
    urlOf(/^(mailto|https):$/, 'a mailto or https URL', {
      meaning: 'Whom to tell about a weakness, for /.well-known/security.txt.',
      fallbackShown: 'none',
    }),
  ),
  RATE_LIMIT_FAILED_KEYS: wholeNumber(
    { min: 0, max: 1_000_000 },
    {
      meaning:
        'Requests with a missing or unknown key that an address may send in a minute; 0 has no limit. Then only keys that were valid before are accepted from it. Per process.',
      fallback: 100,
    },
  ),
  RATE_LIMIT_REQUESTS: wholeNumber(
    { min: 0, max: 100_000_000 },
    { meaning: 'Requests that a key may send in a minute; 0 has no limit. Per process.', fallback: 0 },
  ),
  RATE_LIMIT_EVENTS: wholeNumber(
    { min: 0, max: 1_000_000_000 },
    { meaning: 'Events that a key may record in a minute; 0 has no limit. Per process.', fallback: 0 },
  ),
  RATE_LIMIT_BYTES: wholeNumber(
    { min: 0, max: 1_000_000_000_000 },
    { meaning: 'Bytes of bodies that a key may send in a minute; 0 has no limit. Per process.', fallback: 0 },
  ),
  METRICS_TOKEN: optional(
    secret(
      textOf(/^[\x21-\x7e]{16,}$/, 'at least 16 visible ASCII characters', {
        meaning: 'The bearer token that GET /metrics of the api requires. Without it anyone can read the metrics.',
        fallbackShown: 'none',
      }),
    ),
  ),
} as const;

/** The settings of an api. */
export interface ApiSettings {
  readonly logLevel: SettingValues<typeof apiSettingTable>['LOG_LEVEL'];
  readonly listen: { readonly host: string; readonly port: number };
  /** Null: plain HTTP. */
  readonly tls: TlsFiles | null;
  /** Null: the main port serves everything. */
  readonly admin: { readonly host: string; readonly port: number } | null;
  /** What the paths of links begin with, without a slash at the end: `/auditbox`, or an empty text. */
  readonly pathPrefix: string;
  readonly trustedProxies: readonly string[];
  readonly corsOrigins: readonly string[];
  readonly securityContact: string | null;
  readonly rateLimits: RateLimits;
  readonly connections: ConnectionLimits;
  readonly bytesInFlight: FlightLimits;
  /** The OTLP endpoint for traces; undefined sends no traces. */
  readonly tracesEndpoint: string | undefined;
  readonly databaseUrl: string;
  readonly databaseSchema: string;
  /** Which server serves reads that do not need the primary. */
  readonly reads: { readonly from: 'primary' } | { readonly from: 'replica'; readonly url: string };
  /** Null: only stored keys are valid. */
  readonly masterKey: string | null;
  /** What stands behind `abx_` in new keys. */
  readonly keyEnvironment: string;
  /** Whether reads are audit events. */
  readonly recordsReads: boolean;
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
      {
        between: ['TLS_CERT_FILE', 'TLS_KEY_FILE', 'TLS_CLIENT_CA_FILE'],
        problem: ({ TLS_CERT_FILE: cert, TLS_KEY_FILE: key, TLS_CLIENT_CA_FILE: ca }) => {
          if ((cert === undefined) !== (key === undefined))
            return 'TLS_CERT_FILE and TLS_KEY_FILE must be set together.';
          return ca !== undefined && cert === undefined
            ? 'TLS_CLIENT_CA_FILE needs TLS_CERT_FILE and TLS_KEY_FILE.'
            : null;
        },
      },
    ]),
  );
}

function nestSettings(values: SettingValues<typeof apiSettingTable>): ApiSettings {
  const { DATABASE_READ_URL: replicaUrl, METRICS_TOKEN: token, TLS_CERT_FILE: cert, TLS_KEY_FILE: key } = values;
  return Object.freeze<ApiSettings>({
    logLevel: values.LOG_LEVEL,
    listen: Object.freeze({ host: values.HOST, port: values.PORT }),
    tls:
      cert === undefined || key === undefined
        ? null
        : Object.freeze({ cert, key, clientCa: values.TLS_CLIENT_CA_FILE }),
    admin: values.ADMIN_PORT === undefined ? null : Object.freeze({ host: values.ADMIN_HOST, port: values.ADMIN_PORT }),
    pathPrefix: values.PUBLIC_URL === undefined ? '' : new URL(values.PUBLIC_URL).pathname.replace(/\/$/, ''),
    trustedProxies: Object.freeze([...values.TRUSTED_PROXIES]),
    corsOrigins: Object.freeze([...values.CORS_ORIGINS]),
    securityContact: values.SECURITY_CONTACT ?? null,
    rateLimits: Object.freeze({
      failedKeys: values.RATE_LIMIT_FAILED_KEYS,
      requests: values.RATE_LIMIT_REQUESTS,
      events: values.RATE_LIMIT_EVENTS,
      bytes: values.RATE_LIMIT_BYTES,
    }),
    connections: Object.freeze({
      max: values.HTTP_MAX_CONNECTIONS,
      headersMs: values.HTTP_HEADERS_TIMEOUT_MS,
      requestMs: values.HTTP_REQUEST_TIMEOUT_MS,
      stallMs: values.HTTP_STALL_TIMEOUT_MS,
      keepAliveMs: values.HTTP_KEEP_ALIVE_MS,
    }),
    bytesInFlight: Object.freeze({
      totalBytes: values.HTTP_BYTES_IN_FLIGHT,
      bytesPerKey: values.HTTP_BYTES_IN_FLIGHT_PER_KEY,
    }),
    tracesEndpoint: values.OTEL_EXPORTER_OTLP_ENDPOINT,
    databaseUrl: values.DATABASE_URL,
    databaseSchema: values.DATABASE_SCHEMA,
    reads: Object.freeze(replicaUrl === undefined ? { from: 'primary' } : { from: 'replica', url: replicaUrl }),
    masterKey: values.AUDIT_MASTER_KEY ?? null,
    keyEnvironment: values.AUDIT_KEY_ENV,
    recordsReads: values.AUDIT_READS,
    metricsAccess: Object.freeze(token === undefined ? { kind: 'public' } : { kind: 'token', token }),
    actions: Object.freeze([...values.AUDIT_ACTIONS]),
    oldestEventDays: values.AUDIT_OLDEST_EVENT_DAYS,
    totalMax: values.AUDIT_TOTAL_MAX,
  });
}
