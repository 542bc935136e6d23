import { defaultSchema } from '@auditbox/db/database/schema-name.ts';
import { migrateDatabase } from '@auditbox/db/migrate/migrate.ts';
import { setUpRoles } from '@auditbox/db/migrate/set-up-roles.ts';
import postgres from 'postgres';

const roles = ['api', 'exporter', 'retention', 'writer'] as const;

/** A login of the tests, which is a member of the role with the same name. */
export type ProcessRole = (typeof roles)[number];

const password = 'under-test';

/** Migrates a database and creates the roles and logins. The server must not have them yet. */
export async function migrateWithRoles(url: string): Promise<void> {
  await migrateDatabase(url);
  await setUpRoles(url);
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    for (const role of roles)
      await sql.unsafe(`create role ${nameOf(role)} login password '${password}' in role auditbox_${role}`);
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

/** DATABASE_CELLS for databases and schemas by the names of their cells, with the login of a process. */
export function listCells(
  role: ProcessRole,
  cells: Readonly<Record<string, { readonly url: string; readonly schema: string }>>,
): string {
  const entries = Object.entries(cells).map(
    ([name, { url, schema }]) => `${name}${schema === defaultSchema ? '' : `@${schema}`}=${urlAs(role, url)}`,
  );
  return entries.join(' ');
}

function nameOf(role: ProcessRole): string {
  return `test_${role}`;
}
