import type { Database } from './connect.ts';
import { toDatabaseError } from './database-error.ts';
import { checkSchemaVersion, SchemaOutdatedError } from './schema-version.ts';

/**
 * Whether this process could do its work in the database now: it answers, and has the tables. Resolves to a warning, or
 * null. Throws SchemaOutdatedError or what a statement throws. Called by health checks; takes no locks.
 */
export async function checkDatabase(db: Database): Promise<string | null> {
  const state = await checkSchemaVersion(db);
  // Whatever is noted about migrations, the tables must be there.
  await db.query((sql) => sql`select from outbox_status limit 0`);
  switch (state) {
    case 'newer':
      return "The database's schema is newer than this version of Auditbox; upgrade this process soon.";
    case 'unknown':
      return "This role may not read drizzle.__drizzle_migrations, so the schema's version is not checked.";
    case 'current':
      return null;
    default:
      return state satisfies never;
  }
}

/** One sentence for the operator about why checkDatabase threw; what is no fault of the database's is thrown again. */
export function explainUnready(error: unknown): string {
  if (error instanceof SchemaOutdatedError) return error.message;
  const fault = toDatabaseError(error);
  if (fault === null) throw error;
  return fault.sentence;
}
