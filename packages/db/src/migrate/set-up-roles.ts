import type { Sql } from 'postgres';
import type { Database } from '../database/connect.ts';
import { toDatabaseError } from '../database/database-error.ts';
import { grantRights } from './grant-rights.ts';

/** A role is missing, and the user that migrates may not make roles. */
export class RolesForbiddenError extends Error {
  override readonly name = 'RolesForbiddenError';
  readonly code = 'ROLES_FORBIDDEN';
  constructor(options: ErrorOptions) {
    super(
      'At least one of the roles auditbox_api, auditbox_exporter and auditbox_retention is missing, and this user may not make roles. Give it CREATEROLE, or have an administrator run `create role … nologin` for each of them; then run this again.',
      options,
    );
  }
}

/**
 * Makes the roles that the processes run under and gives them their rights in a migrated database. It may be called again,
 * and by several processes at once. Resolves to whether the api and the exporter may see other users' sessions
 * (pg_read_all_stats), a right that the caller may be unable to grant. Throws RolesForbiddenError and what a statement
 * throws; the next call continues.
 */
export async function setUpRoles({ sql }: Pick<Database, 'sql'>): Promise<{ readonly seeSessions: boolean }> {
  try {
    await makeRoles(sql);
  } catch (cause) {
    throw toDatabaseError(cause)?.code === missingRight ? new RolesForbiddenError({ cause }) : cause;
  }
  await grantRights(sql);
  return { seeSessions: await showSessions(sql) };
}

const missingRight = '42501';

/**
 * Makes the three group roles where they are missing; no user logs in as one of them.
 *
 * Caller: `npm run migrate -- --roles`.
 * Locks: none.
 * Crash: the roles exist and have no rights; the next call continues.
 */
async function makeRoles(sql: Sql): Promise<void> {
  await sql`
    do $$
    declare
      name text;
    begin
      foreach name in array array['auditbox_api', 'auditbox_exporter', 'auditbox_retention'] loop
        if exists (select from pg_roles where rolname = name) then
          continue;
        end if;
        begin
          execute format('create role %I nologin', name);
        exception when duplicate_object or unique_violation then
          -- Roles belong to the whole server, and a migrator of another database made this one at the same moment.
          null;
        end;
      end loop;
    end $$`;
}

/**
 * Lets the api and the exporter see other users' sessions. Feeds need it to know which events may still appear, and metrics
 * need it to find what keeps Postgres from removing dead rows. Returns false if the caller may not grant it.
 *
 * Caller: `npm run migrate -- --roles`.
 * Locks: none.
 * Crash: the right is granted or not; the next call continues.
 */
async function showSessions(sql: Sql): Promise<boolean> {
  for (let triesLeft = 20; ; triesLeft -= 1) {
    if (await maySeeSessions(sql)) return true;
    try {
      await sql`grant pg_read_all_stats to auditbox_api, auditbox_exporter`;
    } catch (error) {
      const code = toDatabaseError(error)?.code;
      if (code === missingRight) return false;
      // Migrators of two databases grant it at once: unique violation, or "tuple concurrently updated".
      if (triesLeft === 0 || (code !== '23505' && code !== 'XX000')) throw error;
    }
  }
}

async function maySeeSessions(sql: Sql): Promise<boolean> {
  const [row] = await sql<[{ see: boolean }]>`
    select bool_and(pg_has_role(name, 'pg_read_all_stats', 'usage')) as see
    from unnest(array['auditbox_api', 'auditbox_exporter']::name[]) as name`;
  return row.see;
}
