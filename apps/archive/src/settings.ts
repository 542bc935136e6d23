import { join } from 'node:path';
import { commonSettings } from '@auditbox/process/common-settings.ts';
import { optional, type Relation, readSettings, textOf, wholeNumber } from '@auditbox/process/settings.ts';
import { s3Environment, s3Relations } from '@auditbox/s3/s3-environment.ts';
import { parseS3Settings, type S3Settings } from '@auditbox/s3/s3-settings.ts';

/** The settings that only `npm run archive` reads. */
export const archiveOnlySettings = {
  ARCHIVE_CACHE_DIR: optional(
    textOf(/\S/, 'the path of a folder', {
      meaning: 'Where objects of a query are kept, so that the next query does not fetch them again.',
      fallbackShown: '`auditbox-archive` in the folder for temporary files',
    }),
  ),
  ARCHIVE_CACHE_MAX_BYTES: wholeNumber(
    { min: 1_000_000, max: 1_000_000_000_000_000 },
    {
      meaning: 'Most bytes of this folder. A query that needs more is refused.',
      fallback: 4_000_000_000,
    },
  ),
  ARCHIVE_MEMORY_MB: wholeNumber(
    { min: 128, max: 1_000_000 },
    { meaning: 'Most memory of DuckDB. What does not fit goes to the folder.', fallback: 1_000 },
  ),
  ARCHIVE_PARQUET_PREFIX: optional(
    textOf(/^(?!\/)[\w!.*'()/=-]{1,900}$/, "a key's beginning of letters, digits and !-_.*'()/=, not starting with /", {
      meaning: 'What the keys of compacted files start with. It must not start with S3_PREFIX.',
      fallbackShown: '`parquet/` and S3_PREFIX',
    }),
  ),
} as const;

const archiveSettingTable = {
  ...s3Environment,
  ...archiveOnlySettings,
  DATABASE_URL: optional(commonSettings.DATABASE_URL),
  DATABASE_SCHEMA: commonSettings.DATABASE_SCHEMA,
} as const;

const relations: readonly Relation<typeof archiveSettingTable>[] = [
  ...(s3Relations as unknown as readonly Relation<typeof archiveSettingTable>[]),
  {
    between: ['ARCHIVE_PARQUET_PREFIX', 'S3_PREFIX'],
    problem: ({ ARCHIVE_PARQUET_PREFIX: parquet = '', S3_PREFIX: prefix }) =>
      parquet.startsWith(prefix)
        ? `ARCHIVE_PARQUET_PREFIX starts with S3_PREFIX (${prefix}); a check of the archive would report its files as added.`
        : null,
  },
];

export interface ArchiveSettings {
  readonly s3: S3Settings;
  readonly cache: { readonly folder: string; readonly maxBytes: number };
  readonly memoryMb: number;
  readonly parquetPrefix: string;
  /** To look up where an event is, and the places of objects in the log. */
  readonly database: { readonly url: string; readonly schema: string } | null;
  /** Of the tables that are restored into. */
  readonly databaseSchema: string;
}

/** Throws an error whose message names every wrong setting. */
export function readArchiveSettings(environment: NodeJS.ProcessEnv, temporaryFolder: string): ArchiveSettings {
  const values = readSettings(archiveSettingTable, environment, relations);
  const { DATABASE_URL: url, DATABASE_SCHEMA: schema } = values;
  return {
    s3: parseS3Settings(values),
    cache: {
      folder: values.ARCHIVE_CACHE_DIR ?? join(temporaryFolder, 'auditbox-archive'),
      maxBytes: values.ARCHIVE_CACHE_MAX_BYTES,
    },
    memoryMb: values.ARCHIVE_MEMORY_MB,
    parquetPrefix: values.ARCHIVE_PARQUET_PREFIX ?? `parquet/${values.S3_PREFIX}`,
    database: url === undefined ? null : { url, schema },
    databaseSchema: schema,
  };
}
