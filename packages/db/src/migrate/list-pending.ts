import type { Sql } from 'postgres';
import { MigrationError } from './migration-error.ts';
import type { Migration } from './migrations.ts';

interface Applied {
  readonly tag: string;
  readonly sha256: string;
}

/**
 * The migrations that the database does not have yet, in their order. Throws MigrationError where the history of the
 * database is not the beginning of our list.
 *
 * Caller: `npm run migrate`.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function listPending(sql: Sql, migrations: readonly Migration[], schema: string): Promise<Migration[]> {
  const [state] = await sql<[{ hasHistory: boolean; foreign: string | null }]>`
    select to_regclass('auditbox.migration') is not null as "hasHistory",
      (select min(relname::text) from pg_class where relnamespace = to_regnamespace('auditbox')) as foreign`;
  if (!state.hasHistory) {
    if (state.foreign === null) return [...migrations];
    throw new MigrationError(
      `The schema ${schema} has ${state.foreign} and no table \`migration\`, so it is not Auditbox's. Set DATABASE_SCHEMA to another name.`,
    );
  }
  const applied = await sql<Applied[]>`select tag, sha256 from auditbox.migration order by tag collate "C"`;
  checkHistory(applied, migrations);
  return migrations.slice(applied.length);
}

/** Whether what was applied is the beginning of the migrations. */
function checkHistory(applied: readonly Applied[], migrations: readonly Migration[]): void {
  const known = new Set(migrations.map(({ tag }) => tag));
  const unknown = applied.find(({ tag }) => !known.has(tag));
  if (unknown)
    throw new MigrationError(
      `The database has the migration ${unknown.tag}, which this version does not know. Run \`npm run migrate\` of the newer version.`,
    );
  applied.forEach(({ tag, sha256 }, place) => {
    const migration = migrations[place];
    if (migration?.tag !== tag)
      throw new MigrationError(
        `The database has the migration ${tag} but not ${migration?.tag}, which comes before it. Restore a backup, or ask for help: nothing was changed.`,
      );
    if (migration.sha256 !== sha256)
      throw new MigrationError(
        `The migration ${tag} was changed after it was applied: the database has the hash ${sha256.slice(0, 12)}, the file ${migration.sha256.slice(0, 12)}. Use the files of a release; nothing was changed.`,
      );
  });
}
