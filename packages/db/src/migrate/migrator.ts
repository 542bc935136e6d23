import type { Sql } from 'postgres';
import { greet, openPool } from '../database/postgres-js.ts';
import { checkSchemaName } from '../database/schema-name.ts';
import { commonSettings } from '../database/session-settings.ts';
import { MigrationError } from './migration-error.ts';

/**
 * The first statements of a migrator. Throws MigrationError behind a pooler that ignores our settings: a migrator whose path
 * somebody else decides would run their code as the owner.
 */
export async function greetAsMigrator(sql: Sql): Promise<void> {
  await greet(sql);
  const [row] = await sql<[{ path: string }]>`select pg_catalog.current_setting('search_path') as path`;
  if (row.path !== commonSettings.search_path)
    throw new MigrationError('DATABASE_URL leads to a pooler. Use a URL that leads to Postgres itself.');
}

/** One connection without a statement timeout, for the migrator and what runs with it. */
export function openMigrator(url: string, schema: string): Sql {
  return openPool(url, {
    application: 'auditbox migrate',
    schema: checkSchemaName(schema),
    max: 1,
    isDirect: true,
    settings: {
      statement_timeout: '0',
      lock_timeout: '0',
      idle_in_transaction_session_timeout: '0',
      synchronous_commit: 'on',
      default_transaction_read_only: 'off',
    },
  });
}
