import type { Sql } from 'postgres';
import { toDatabaseError } from '../database/database-error.ts';
import { MigrationError } from './migration-error.ts';

/** The role that owns the schema and everything in it. Nobody logs in as it, and it is no superuser. */
const ownerRole = 'auditbox_owner';

interface Situation {
  readonly login: string;
  /** Null while there is no schema. */
  readonly owner: string | null;
  readonly ownerExists: boolean;
  readonly ownerIsMighty: boolean;
  readonly mayMakeRoles: boolean;
  readonly mayActAsOwner: boolean;
  readonly mayActAsSchemaOwner: boolean;
  /** Whether another login than this one could run its code with the rights of this one, by what it makes in its schema. */
  readonly ownerIsForeign: boolean;
}

/**
 * The role to migrate as: the owner of the schema. For a new schema it is `auditbox_owner`, which is made if the login may
 * make roles; else it is the login itself, and the doctor warns. Throws MigrationError.
 *
 * Caller: `npm run migrate`.
 * Locks: none.
 * Crash: the role exists and owns nothing; the next call continues.
 */
export async function chooseOwner(sql: Sql): Promise<string> {
  let now = await look(sql);
  if (now.owner !== null && now.owner !== ownerRole) {
    // What the owner makes there, such as a trigger, runs in the session of the migrator, and could take that login's rights.
    if (now.ownerIsForeign)
      throw new MigrationError(
        `The schema belongs to ${now.owner}, and a login that acts as ${now.owner} could run code with the rights of ${now.login}. Migrate as ${now.owner}. If ${now.owner} should not own the schema and there are no events in it, drop the schema.`,
      );
    if (now.mayActAsSchemaOwner) return now.owner;
    throw new MigrationError(
      `The schema belongs to ${now.owner}. Run \`grant ${now.owner} to ${now.login}\` or migrate as that role.`,
    );
  }
  if (!now.ownerExists && now.mayMakeRoles) {
    await makeRole(sql, ownerRole);
    now = await look(sql);
  }
  if (!now.ownerExists) return now.login;
  if (now.ownerIsMighty)
    throw new MigrationError(
      `The role ${ownerRole} may log in or is a superuser. Run \`alter role ${ownerRole} nologin nosuperuser\`.`,
    );
  if (now.mayActAsOwner || (await joinOwner(sql))) return ownerRole;
  if (now.owner === null) return now.login;
  throw new MigrationError(`The schema belongs to ${ownerRole}. Run \`grant ${ownerRole} to ${now.login}\`.`);
}

async function look(sql: Sql): Promise<Situation> {
  const [row] = await sql<[Situation]>`
    select me.rolname as login, pg_get_userbyid(n.nspowner) as owner, o.oid is not null as "ownerExists",
      coalesce(o.rolsuper or o.rolcanlogin, false) as "ownerIsMighty", me.rolsuper or me.rolcreaterole as "mayMakeRoles",
      coalesce(pg_has_role(o.oid, v.acting), false) as "mayActAsOwner",
      coalesce(pg_has_role(n.nspowner, v.acting), false) as "mayActAsSchemaOwner",
      n.nspowner <> me.oid and exists (
        select from pg_roles r
        where r.rolcanlogin and not r.rolsuper and r.oid <> me.oid and pg_has_role(r.oid, n.nspowner, 'member')
          and (me.rolsuper or r.oid = n.nspowner)
      ) as "ownerIsForeign"
    from pg_roles me
    -- From 16 on, a login that made a role is its member and still may not act as it.
    cross join (select case when current_setting('server_version_num')::int >= 160000 then 'set' else 'member' end) v (acting)
    left join pg_namespace n on n.nspname = 'auditbox'
    left join pg_roles o on o.rolname = ${ownerRole}
    where me.rolname = session_user`;
  return row;
}

/** Whether the login may act as the owner now. A login that made the role may grant it. */
async function joinOwner(sql: Sql): Promise<boolean> {
  for (let triesLeft = 20; ; triesLeft -= 1) {
    try {
      await sql`grant ${sql(ownerRole)} to current_user`;
      return true;
    } catch (error) {
      const code = toDatabaseError(error)?.code;
      if (code === '42501') return false;
      // Migrators of two databases grant it at once: unique violation, or "tuple concurrently updated".
      if (triesLeft === 0 || (code !== '23505' && code !== 'XX000')) throw error;
    }
  }
}

/**
 * Makes a role that nobody logs in as, unless it is there.
 *
 * Caller: `npm run migrate`.
 * Locks: none.
 * Crash: the role exists or not; the next call continues.
 */
export async function makeRole(sql: Sql, name: string): Promise<void> {
  try {
    await sql`create role ${sql(name)} nologin`;
  } catch (error) {
    // Roles belong to the whole server: a migrator of another database may have made it at the same moment.
    const code = toDatabaseError(error)?.code;
    if (code !== '42710' && code !== '23505') throw error;
  }
}
