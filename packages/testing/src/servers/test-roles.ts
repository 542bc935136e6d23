import { migrateDatabase } from '@auditbox/db/migrate/migrate.ts';
import { setUpRoles } from '@auditbox/db/migrate/roles/set-up-roles.ts';
import postgres from 'postgres';

/** The logins of a test server that processes under test run as, and the roles that they are members of. */
const logins = {
  api: ['auditbox_api'],
  exporter: ['auditbox_exporter'],
  'exporter with retention': ['auditbox_exporter', 'auditbox_retention'],
} as const;

export type ProcessRole = keyof typeof logins;

const password = 'under-test';

/** Migrates a database, and makes the roles and logins of its server, which has none of them yet. */
export async function migrateWithRoles(url: string): Promise<void> {
  await migrateDatabase(url);
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    await setUpRoles({ sql });
    for (const [role, groups] of Object.entries(logins))
      await sql.unsafe(`create role ${nameOf(role)} login password '${password}' in role ${groups.join(', ')}`);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** The same database as the user that a process runs as. */
export function urlAs(role: ProcessRole, databaseUrl: string): string {
  const url = new URL(databaseUrl);
  url.username = nameOf(role);
  url.password = password;
  return url.href;
}

/** The role that an exporter with these settings needs. */
export function exporterRole(settings: Readonly<Record<string, string>>): ProcessRole {
  const { AUDIT_RETENTION_DAYS: audit = '0', OUTBOX_RETENTION_DAYS: outbox = '0' } = settings;
  return audit === '0' && outbox === '0' ? 'exporter' : 'exporter with retention';
}

function nameOf(role: string): string {
  return `test_${role.replaceAll(' ', '_')}`;
}
