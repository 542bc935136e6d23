import { parseDatabaseUrl } from '@auditbox/core/database-url.ts';
import { DatabaseUrlError } from '@auditbox/core/database-url-parameters.ts';
import { acceptedSchemaNames, schemaNameForm } from '@auditbox/core/schema-name.ts';
import { z } from 'zod';
import { oneOf, optional, type Setting, textOf, urlOf } from './settings.ts';

/** A URL of a database, secret. A wrong one is explained without its password. */
export function databaseUrl({ meaning, fallbackShown }: { meaning: string; fallbackShown: string }): Setting<string> {
  return {
    schema: z.string().refine((text) => explainUrl(text) === null) as Setting<string>['schema'],
    accepts: 'a URL such as postgres://user:password@host:5432/database',
    meaning,
    fallback: fallbackShown,
    secret: true,
    explain: explainUrl,
  };
}

function explainUrl(text: string): string | null {
  try {
    parseDatabaseUrl(text);
    return null;
  } catch (error) {
    if (error instanceof DatabaseUrlError) return error.message;
    throw error;
  }
}

/** The settings of every process. */
export const commonSettings = {
  DATABASE_URL: databaseUrl({
    meaning:
      'The database with the tables; Postgres 15 or newer. Append `?prepare=false` behind a pooler in transaction mode.',
    fallbackShown: 'required',
  }),
  DATABASE_SCHEMA: textOf(schemaNameForm, acceptedSchemaNames, {
    meaning: 'The schema of the tables, which `npm run migrate` makes. Two in one database work side by side.',
    fallback: 'auditbox',
  }),
  LOG_LEVEL: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal'], {
    meaning: 'The lowest level that is logged.',
    fallback: 'info',
  }),
  OTEL_EXPORTER_OTLP_ENDPOINT: optional(
    urlOf(/^https?:$/, 'an http or https URL', {
      meaning: 'Where traces are sent, by OTLP over HTTP. Without it there are no traces.',
      fallbackShown: 'none',
    }),
  ),
} as const;

/** The range of a TCP port. */
export const portRange = { min: 0, max: 65_535 };

export const hostSetting = textOf(/^[\w.:-]+$/, 'an address or a host name', {
  meaning: 'The address on which the api listens, and the exporter for its health.',
  fallback: '127.0.0.1',
});
