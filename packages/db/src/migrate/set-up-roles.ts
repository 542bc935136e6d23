import type { Sql } from 'postgres';
import { toDatabaseError } from '../database/database-error.ts';
import { defaultSchema } from '../database/schema-name.ts';
import { grantRights, processRoles } from './grant-rights.ts';
import { greetAsMigrator, openMigrator } from './migrator.ts';
import { chooseOwner, makeRole } from './owner.ts';
import { asOwner } from './turns.ts';

/** A role is missing, and the user that migrates may not make roles. */
export class RolesForbiddenError extends Error {
  override readonly name = 'RolesForbiddenError';
  readonly code = 'ROLES_FORBIDDEN';
  constructor(options: ErrorOptions) {
    super(
      `At least one of the roles ${processRoles.join(', ')} is missing, and this user may not make roles. Give it CREATEROLE, or have an administrator run \`create role … nologin\` for each of them; then run this again.`,
      options,
    );
  }
}

/** What setUpRoles could do. */
export interface RolesMade {
  /** The role that owns the schema. */
  readonly owner: string;
  /** Whether the owner sees other logins' transactions (pg_read_all_stats), which a caller may be unable to grant. */
  readonly seesSessions: boolean;
}

/**
 * Makes the roles that the processes run under and gives them their rights in a migrated schema. It may be called again,
 * and by several processes at once. Throws RolesForbiddenError, MigrationError and what a statement throws; the next call
 * continues.
 *
 * Caller: `npm run migrate -- --roles`.
 * Locks: the migrators' lock, and no table.
 * Crash: the roles exist, and all rights are granted or none; the next call continues.
 */
export async function setUpRoles(
  url: string,
  { schema = defaultSchema }: { schema?: string | undefined } = {},
): Promise<RolesMade> {
  const sql = openMigrator(url, schema);
  try {
    await greetAsMigrator(sql);
    await makeProcessRoles(sql);
    const owner = await chooseOwner(sql);
    await asOwner(sql, owner, grantRights);
    return { owner, seesSessions: await showSessions(sql, owner) };
  } finally {
    await sql.end({ timeout: 5 });
  }
}

const missingRight = '42501';

async function makeProcessRoles(sql: Sql): Promise<void> {
  try {
    for (const name of processRoles) {
      const [found] = await sql`select from pg_roles where rolname = ${name}`;
      if (!found) await makeRole(sql, name);
    }
  } catch (cause) {
    throw toDatabaseError(cause)?.code === missingRight ? new RolesForbiddenError({ cause }) : cause;
  }
}

/**
 * Lets the owner see when other logins' transactions began, for the function oldest_transaction alone. Feeds need it to know
 * which events may still appear, and metrics need it to find what keeps Postgres from removing dead rows.
 */
async function showSessions(sql: Sql, owner: string): Promise<boolean> {
  for (let triesLeft = 20; ; triesLeft -= 1) {
    const [row] = await sql<
      [{ sees: boolean }]
    >`select pg_has_role(${owner}::name, 'pg_read_all_stats', 'usage') as sees`;
    if (row.sees) return true;
    try {
      await sql`grant pg_read_all_stats to ${sql(owner)}`;
    } catch (error) {
      const code = toDatabaseError(error)?.code;
      if (code === missingRight) return false;
      // Migrators of two databases grant it at once: unique violation, or "tuple concurrently updated".
      if (triesLeft === 0 || (code !== '23505' && code !== 'XX000')) throw error;
    }
  }
}
