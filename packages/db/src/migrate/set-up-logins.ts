import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import type { Sql } from 'postgres';
import { toDatabaseError } from '../database/database-error.ts';
import { defaultSchema } from '../database/schema-name.ts';
import type { processRoles } from './grant-rights.ts';
import { MigrationError } from './migration-error.ts';
import { greetAsMigrator, openMigrator } from './migrator.ts';

/** A login for a process, and the role whose rights it gets. */
export interface Login {
  readonly name: string;
  readonly role: (typeof processRoles)[number];
  /** Printable ASCII. */
  readonly password: string;
}

/**
 * Makes logins that are members of the roles of setUpRoles, or gives them their password again. Only a verifier of the
 * password is sent, so no log of the server can hold it. Throws MigrationError and what a statement throws.
 *
 * Caller: `npm run migrate -- --login`.
 * Locks: none.
 * Crash: each login has its new password or the one before; the next call continues.
 */
export async function setUpLogins(
  url: string,
  logins: readonly Login[],
  { schema = defaultSchema }: { schema?: string | undefined } = {},
): Promise<void> {
  const sql = openMigrator(url, schema);
  try {
    await greetAsMigrator(sql);
    for (const login of logins) await setUpLogin(sql, login);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

async function setUpLogin(sql: Sql, { name, role, password }: Login): Promise<void> {
  const verifier = makeVerifier(password);
  for (let triesLeft = 20; ; triesLeft -= 1) {
    const [found] = await sql<[{ rolsuper: boolean }?]>`select rolsuper from pg_roles where rolname = ${name}`;
    if (found?.rolsuper) throw new MigrationError(`The login ${name} is a superuser, so it stays as it is.`);
    try {
      if (found === undefined) await sql`create role ${sql(name)} login`;
      // The verifier has no quotes and no backslashes.
      await sql`alter role ${sql(name)} login password ${sql.unsafe(`'${verifier}'`)}`;
      await sql`grant ${sql(role)} to ${sql(name)}`;
      return;
    } catch (error) {
      const code = toDatabaseError(error)?.code ?? '';
      // Migrators make it at once: it exists already, a unique violation, or "tuple concurrently updated".
      if (triesLeft === 0 || !['42710', '23505', 'XX000'].includes(code)) throw error;
    }
  }
}

const iterations = 4_096;

/** What Postgres keeps instead of a password: SCRAM-SHA-256 (RFC 5803, RFC 7677), in the form of pg_authid. */
function makeVerifier(password: string): string {
  if (!/^[\x20-\x7e]+$/.test(password)) throw new MigrationError('The password of a login must be printable ASCII.');
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256');
  const hmac = (text: string) => createHmac('sha256', salted).update(text).digest();
  const stored = createHash('sha256').update(hmac('Client Key')).digest('base64');
  const server = hmac('Server Key').toString('base64');
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${stored}:${server}`;
}
