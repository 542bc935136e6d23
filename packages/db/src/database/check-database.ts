import { readFileSync } from 'node:fs';
import type { Database } from './connect.ts';
import { toDatabaseError } from './database-error.ts';

/** How the database's schema compares to the one that this version was written for. */
type SchemaState =
  | 'current'
  /** A later version migrated it: an upgrade is being rolled out, or was rolled back. */
  | 'newer'
  /** The role may not read the list of migrations, because another role migrates. */
  | 'unknown';

/** The database lacks migrations that this version needs. */
export class SchemaOutdatedError extends Error {
  override readonly name = 'SchemaOutdatedError';
  readonly code = 'SCHEMA_OUTDATED';
  constructor() {
    super(`The database's schema is older than this version, which needs ${ours.tag}; run \`npm run migrate\`.`);
  }
}

const ours = readLastMigration();

/**
 * Whether this process can do its work in the database now: the server answers and has the tables. Resolves to a warning,
 * or null. Throws SchemaOutdatedError and DatabaseError.
 *
 * Caller: health checks and the start of both processes.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function checkDatabase(db: Database): Promise<string | null> {
  const state = await checkSchemaVersion(db);
  // The list of migrations may be right while the tables are gone.
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

/** One sentence for the operator about why checkDatabase threw. Rethrows an error that is not the database's. */
export function explainUnready(error: unknown): string {
  if (error instanceof SchemaOutdatedError) return error.message;
  const databaseError = toDatabaseError(error);
  if (databaseError === null) throw error;
  return databaseError.sentence;
}

/** Compares the newest migration of both sides by the time at which it was made, as drizzle itself does. */
async function checkSchemaVersion(db: Database): Promise<SchemaState> {
  try {
    const [row] = await db.query(
      (sql) => sql<[{ madeAt: number | null }]>`
        select max(created_at)::float8 as "madeAt" from drizzle.__drizzle_migrations`,
    );
    if (row.madeAt === null || row.madeAt < ours.when) throw new SchemaOutdatedError();
    return row.madeAt > ours.when ? 'newer' : 'current';
  } catch (error) {
    const code = toDatabaseError(error)?.code;
    if (code === unknownTable) throw new SchemaOutdatedError();
    if (code === missingRight) return 'unknown';
    throw error;
  }
}

const unknownTable = '42P01';
const missingRight = '42501';

/** drizzle-kit keeps the list; its last entry is the newest. */
function readLastMigration(): { readonly tag: string; readonly when: number } {
  const journal = readFileSync(new URL('../../../../drizzle/meta/_journal.json', import.meta.url), 'utf8');
  const { entries } = JSON.parse(journal) as { entries: { tag: string; when: number }[] };
  const last = entries.at(-1);
  if (!last) throw new Error('drizzle/meta/_journal.json names no migration.');
  return last;
}
