import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { defaultSchema, nameSchema } from '../database/schema-name.ts';

const folder = new URL('../../../../drizzle/', import.meta.url);

/** A file of `drizzle/`. */
export interface Migration {
  /** The file's name: `0004_months`. */
  readonly tag: string;
  /** Of the file's text, 64 hexadecimal digits. */
  readonly sha256: string;
  /** What its head says after `-- Locks:`, or null. */
  readonly locks: string | null;
  /**
   * What its head says after `-- Oldest reader:`, or null: versions that do not know the migration of this name cannot work
   * with the schema from here on. Usually a migration names itself there.
   */
  readonly oldestReader: string | null;
  /** One statement each. They run in one transaction unless one of them is marked as a step. */
  readonly statements: readonly string[];
  /** The statements as steps, each of which is committed and recorded by itself; null without a mark. */
  readonly steps: readonly Step[] | null;
}

/** A statement that is committed by itself, so that no lock is held for longer than it needs. */
export interface Step {
  /**
   * `-- Step: transaction`: in its own transaction.
   * `-- Step: concurrently`: outside of a transaction. It may run twice. An index of that name is dropped first.
   * `-- Step: months`: `create index … on auditbox.audit_log …`, for each month concurrently, and for the months to come.
   * `-- Step: blocks`: again and again, each time in a transaction. It gets the place where the block before ended as $1, null
   * at first, and returns a row with `next`, which is null at the end, and `rows`.
   */
  readonly kind: 'transaction' | 'concurrently' | 'months' | 'blocks';
  readonly statement: string;
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

/** Reads the text of a migration's file. */
export function parseMigration(tag: string, file: string, schema = defaultSchema): Migration {
  // A checkout on Windows may have other line ends, and it is the same migration.
  const text = file.replaceAll('\r\n', '\n');
  const statements = nameSchema(text, schema).split('--> statement-breakpoint');
  const head = /^(?:--.*\n)*/.exec(text)?.[0] ?? '';
  return {
    tag,
    sha256: createHash('sha256').update(text).digest('hex'),
    locks: readLabel(head, 'Locks'),
    oldestReader: readLabel(head, 'Oldest reader'),
    statements,
    steps: statements.some((statement) => readKind(statement) !== null) ? statements.map(toStep) : null,
  };
}

function toStep(statement: string): Step {
  // The head of the file is in front of its first step.
  const [, own = statement] = /^(-- Step: [\s\S]*)/m.exec(statement) ?? [];
  return { kind: readKind(statement) ?? 'transaction', statement, locks: readLabel(own, 'Locks') };
}

function readKind(statement: string): Step['kind'] | null {
  const [, kind] = /^-- Step: (transaction|concurrently|months|blocks)$/m.exec(statement) ?? [];
  return (kind as Step['kind'] | undefined) ?? null;
}

/** The text behind `-- Label:`, up to the next label or an empty comment. */
function readLabel(text: string, label: string): string | null {
  const [, found] = new RegExp(`^-- ${label}: (.+(?:\\n-- (?![A-Z][a-z ]*: ).+)*)`, 'm').exec(text) ?? [];
  return found?.replaceAll('\n-- ', ' ') ?? null;
}
