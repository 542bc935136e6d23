import { readFileSync } from 'node:fs';
import type { Database } from './connect.ts';
import { toDatabaseError } from './database-error.ts';

/** How the database's schema stands to the one that this version was written for. */
export type SchemaState =
  | 'current'
  /** Migrated by a later version, as while an upgrade is rolled out or after it was rolled back. */
  | 'newer'
  /** The role may not look: another role migrates. */
  | 'unknown';

/** The database has not seen all migrations that this version needs. */
export class SchemaOutdatedError extends Error {
  override readonly name = 'SchemaOutdatedError';
  readonly code = 'SCHEMA_OUTDATED';
  constructor() {
    super(`The database's schema is older than this version, which needs ${ours.tag}; run \`npm run migrate\`.`);
  }
}

const ours = lastMigration();

/**
 * Compares the last migration that we know with the last one that ran, as drizzle itself does: by the time at which a
 * migration was made. Throws SchemaOutdatedError, and what a statement throws. Called by health checks; takes no locks.
 */
export async function checkSchemaVersion(db: Database): Promise<SchemaState> {
  try {
    const [row] = await db.query(
      (sql) => sql<[{ madeAt: number | null }]>`
        select max(created_at)::float8 as "madeAt" from drizzle.__drizzle_migrations`,
    );
    if (row.madeAt === null || row.madeAt < ours.when) throw new SchemaOutdatedError();
    return row.madeAt > ours.when ? 'newer' : 'current';
  } catch (error) {
    const code = toDatabaseError(error)?.code;
    if (code === noSuchTable) throw new SchemaOutdatedError();
    if (code === noRight) return 'unknown';
    throw error;
  }
}

const noSuchTable = '42P01';
const noRight = '42501';

/** drizzle-kit keeps the list; its last entry is the newest. */
function lastMigration(): { readonly tag: string; readonly when: number } {
  const journal = readFileSync(new URL('../../../../drizzle/meta/_journal.json', import.meta.url), 'utf8');
  const { entries } = JSON.parse(journal) as { entries: { tag: string; when: number }[] };
  const last = entries.at(-1);
  if (!last) throw new Error('drizzle/meta/_journal.json names no migration.');
  return last;
}
