import type { Sql } from 'postgres';
import { MigrationError } from './migration-error.ts';

/** Throws MigrationError for a server that cannot hold what we store. */
export async function checkServer(sql: Sql): Promise<void> {
  const [row] = await sql<[{ encoding: string; version: number; name: string; isStandby: boolean }]>`
    select pg_encoding_to_char(encoding) as encoding, current_setting('server_version_num')::int as version,
      datname as name, pg_is_in_recovery() as "isStandby"
    from pg_database where datname = current_database()`;
  if (row.encoding !== 'UTF8')
    throw new MigrationError(
      `The database ${row.name} has the encoding ${row.encoding}, which cannot hold every text. Make one with \`create database … encoding 'UTF8' template template0\`.`,
    );
  if (row.version < 150_000)
    throw new MigrationError(`The server is Postgres ${Math.floor(row.version / 10_000)}; Auditbox needs 15 or newer.`);
  if (row.isStandby) throw new MigrationError('The server is a standby. DATABASE_URL must lead to the primary.');
}
