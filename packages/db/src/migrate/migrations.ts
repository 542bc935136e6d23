import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { defaultSchema, nameSchema } from '../database/schema-name.ts';

const folder = new URL('../../../../drizzle/', import.meta.url);

/** A file of `drizzle/`. */
export interface Migration {
  /** The file's name: `0004_months`. */
  readonly tag: string;
  readonly statements: readonly string[];
  /** Of the file's text, 64 hexadecimal digits. */
  readonly sha256: string;
  /** What its first comment says about locks, or null. */
  readonly locks: string | null;
}

/** The migrations of this version in their order, for a schema. drizzle-kit keeps the list. */
export function readMigrations(schema = defaultSchema): Migration[] {
  return listTags().map((tag) => parseMigration(tag, readFileSync(new URL(`${tag}.sql`, folder), 'utf8'), schema));
}

/** The names of the migrations of this version, in their order. */
export function listTags(): string[] {
  const journal = readFileSync(new URL('meta/_journal.json', folder), 'utf8');
  return (JSON.parse(journal) as { entries: { tag: string }[] }).entries.map(({ tag }) => tag);
}

function parseMigration(tag: string, file: string, schema: string): Migration {
  // A checkout on Windows may have other line ends, and it is the same migration.
  const text = file.replaceAll('\r\n', '\n');
  return {
    tag,
    statements: nameSchema(text, schema).split('--> statement-breakpoint'),
    sha256: createHash('sha256').update(text).digest('hex'),
    locks: /^-- Locks: (.+(?:\n-- .+)*)/m.exec(text)?.[1]?.replaceAll('\n-- ', ' ') ?? null,
  };
}
