import { migrateDatabase } from '@auditbox/db/migrate/migrate.ts';
import { setUpRoles } from '@auditbox/db/migrate/set-up-roles.ts';
import postgres from 'postgres';

/** The logins of the processes under test, with the roles that they are members of. */
const logins = {
  api: ['auditbox_api'],
  exporter: ['auditbox_exporter'],
  'exporter with retention': ['auditbox_exporter', 'auditbox_retention'],
  retention: ['auditbox_retention'],
  writer: ['auditbox_writer'],
} as const;

export type ProcessRole = keyof typeof logins;

const password = 'under-test';

/** Migrates a database and creates the roles and logins. The server must not have them yet. */
export async function migrateWithRoles(url: string): Promise<void> {
  await migrateDatabase(url);
  await setUpRoles(url);
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    for (const [role, groups] of Object.entries(logins))
      await sql.unsafe(`create role ${nameOf(role)} login password '${password}' in role ${groups.join(', ')}`);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** The URL of the same database, with the login of a process. */
export function urlAs(role: ProcessRole, databaseUrl: string): string {
  const url = new URL(databaseUrl);
  url.username = nameOf(role);
  url.password = password;
  return url.href;
}

/** The role for an exporter with these settings. */
export function exporterRole(settings: Readonly<Record<string, string>>): ProcessRole {
  const { AUDIT_RETENTION_DAYS: audit = '0', OUTBOX_RETENTION_DAYS: outbox = '0' } = settings;
  return audit === '0' && outbox === '0' ? 'exporter' : 'exporter with retention';
}

function nameOf(role: string): string {
  return `test_${role.replaceAll(' ', '_')}`;
}
