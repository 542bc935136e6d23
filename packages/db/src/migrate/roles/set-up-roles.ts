import type { Database } from '../../database/connect.ts';
import { toDatabaseError } from '../../database/database-error.ts';
import { grantRights } from './grant-rights.ts';
import { makeRoles } from './make-roles.ts';
import { showSessions } from './show-sessions.ts';

/** The roles are not all there, and who migrates may not make them. */
export class RolesForbiddenError extends Error {
  override readonly name = 'RolesForbiddenError';
  readonly code = 'ROLES_FORBIDDEN';
  constructor(options: ErrorOptions) {
    super(
      'The roles auditbox_api, auditbox_exporter and auditbox_retention are not all there and this user may not make roles: give it CREATEROLE, or have `create role … nologin` run for each of them, and run this again.',
      options,
    );
  }
}

/**
 * Makes the roles that the processes run under, and gives them their rights in a migrated database. May be called again,
 * and by several at once. Resolves to whether the api and the exporter see other users' sessions (pg_read_all_stats), which
 * not everyone may allow. Throws RolesForbiddenError and what a statement throws; calling it again goes on.
 */
export async function setUpRoles({ sql }: Pick<Database, 'sql'>): Promise<{ readonly seeSessions: boolean }> {
  try {
    await makeRoles(sql);
  } catch (cause) {
    throw toDatabaseError(cause)?.code === '42501' ? new RolesForbiddenError({ cause }) : cause;
  }
  await grantRights(sql);
  return { seeSessions: await showSessions(sql) };
}
