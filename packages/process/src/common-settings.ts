import { oneOf, optional, secret, textOf, urlOf } from './settings.ts';

/** Settings that every process has. */
export const commonSettings = {
  DATABASE_URL: secret(
    urlOf(/^postgres(ql)?:$/, 'a URL such as postgres://user:password@host:5432/database', {
      meaning:
        'Where the tables are; Postgres 15 or newer. `?prepare=false` at its end: behind a pooler in transaction mode.',
      fallbackShown: 'required',
    }),
  ),
  LOG_LEVEL: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal'], {
    meaning: 'How much is logged.',
    fallback: 'info',
  }),
  OTEL_EXPORTER_OTLP_ENDPOINT: optional(
    urlOf(/^https?:$/, 'an http or https URL', {
      meaning: 'Where traces go, by OTLP over HTTP; without it there are none.',
      fallbackShown: 'none',
    }),
  ),
} as const;

/** The text of a TCP port setting. */
export const portRange = { min: 0, max: 65_535 };

/** Where a process listens. */
export const hostSetting = textOf(/^[\w.:-]+$/, 'an address or a host name', {
  meaning: 'Address that the api, and the exporter for its health, listens on.',
  fallback: '127.0.0.1',
});
