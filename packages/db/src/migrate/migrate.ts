import { fileURLToPath } from 'node:url';
import { drizzle } from 'drizzle-orm/postgres-js';
import { migrate } from 'drizzle-orm/postgres-js/migrator';
import postgres from 'postgres';
import { commonOptions } from '../database/postgres-js.ts';
import { listUpcomingMonths, makeMonths } from '../months/make-months.ts';
import { grantRights, haveRights, migrationLock } from './grant-rights.ts';

const migrationsFolder = fileURLToPath(new URL('../../../../drizzle', import.meta.url));

/**
 * Brings the schema up to date, and the rights of the roles if setUpRoles was called before. Several processes may call
 * it at once: one works while the others wait and then find nothing to do.
 *
 * Caller: `npm run migrate`, and the embedded stack.
 * Locks: the migrators' lock. It ends with the connection, so a migrator that dies blocks nobody.
 * Crash: each migration is applied or not; the next call continues.
 */
export async function migrateDatabase(url: string): Promise<void> {
  const sql = postgres(url, {
    ...commonOptions,
    max: 1,
    connection: { application_name: 'auditbox migrate' },
  });
  try {
    await sql`select pg_advisory_lock(${migrationLock})`;
    await migrate(drizzle(sql), { migrationsFolder });
    await makeMonths({ query: (send) => Promise.resolve(send(sql)) }, listUpcomingMonths(new Date()));
    if (await haveRights(sql)) await grantRights(sql);
  } finally {
    await sql.end({ timeout: 5 });
  }
}
