import { readFile } from 'node:fs/promises';
import type { Database } from './connect.ts';

const journal = new URL('../../../drizzle/meta/_journal.json', import.meta.url);

/**
 * Names of the migrations that this code comes with and the database has not had, by the rule that the migrator goes by.
 * Called by the exporter's check; takes no locks. Throws what a statement throws: no migration has run yet (42P01), or
 * the role may not look (42501).
 */
export async function missingMigrations(db: Database): Promise<string[]> {
  const { entries } = JSON.parse(await readFile(journal, 'utf8')) as { entries: { when: number; tag: string }[] };
  const [row] = await db.answer(
    () => db.sql<[{ last: string }]>`
      select coalesce(max(created_at), 0)::text as last from drizzle.__drizzle_migrations`,
  );
  return entries.filter(({ when }) => when > Number(row.last)).map(({ tag }) => tag);
}
