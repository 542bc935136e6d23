import { fileURLToPath } from 'node:url';
import { drizzle } from 'drizzle-orm/postgres-js';
import { migrate } from 'drizzle-orm/postgres-js/migrator';
import postgres from 'postgres';
import { makePartitions } from '../months/make-partitions.ts';
import { monthsFrom } from '../months/months-from.ts';
import { migrationLock } from './migration-lock.ts';
import { grantRights } from './roles/grant-rights.ts';
import { haveRights } from './roles/have-rights.ts';

const migrationsFolder = fileURLToPath(new URL('../../../../drizzle', import.meta.url));

/**
 * Brings the schema up to date. Several processes may call it at once: an advisory lock lets one work while the others
 * wait and then find nothing to do. The lock ends with the connection, so a migrator that dies blocks nobody.
 * Where setUpRoles was called before, the roles get their rights on what is new.
 */
export async function migrateDatabase(url: string): Promise<void> {
  const sql = postgres(url, {
    max: 1,
    connect_timeout: 5,
    onnotice: () => {},
    fetch_types: false,
    connection: { application_name: 'auditbox migrate' },
  });
  try {
    await sql`select pg_advisory_lock(${migrationLock})`;
    await migrate(drizzle(sql), { migrationsFolder });
    await makePartitions({ query: (send) => Promise.resolve(send(sql)) }, monthsFrom(new Date()));
    if (await haveRights(sql)) await grantRights(sql);
  } finally {
    await sql.end({ timeout: 5 });
  }
}
