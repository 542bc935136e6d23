import { readFileSync } from 'node:fs';
import postgres from 'postgres';

const folder = new URL('../../../../drizzle/', import.meta.url);

/** Applies the migrations to an empty database, in the order of the journal and in the schema `auditbox`, without roles. */
export async function applyMigrations(url: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {}, fetch_types: false });
  try {
    await sql.begin(async (tx) => {
      await tx`create schema auditbox`;
      await tx`set local search_path = pg_catalog, pg_temp`;
      for (const tag of listTags()) {
        const text = readFileSync(new URL(`${tag}.sql`, folder), 'utf8');
        for (const statement of text.split('--> statement-breakpoint')) await tx.unsafe(statement);
      }
      await tx`select auditbox.make_month(now())`;
    });
  } finally {
    await sql.end({ timeout: 5 });
  }
}

function listTags(): string[] {
  const { entries } = JSON.parse(readFileSync(new URL('meta/_journal.json', folder), 'utf8')) as {
    entries: { tag: string }[];
  };
  return entries.map(({ tag }) => tag);
}
