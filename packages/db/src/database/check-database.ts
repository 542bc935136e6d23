import type { Sql } from 'postgres';
import { listTags } from '../migrate/migrations.ts';
import type { Database } from './connect.ts';
import { DatabaseError, toDatabaseError } from './database-error.ts';
import { publicSentence } from './public-sentence.ts';
import { isTooNew } from './schema-guard.ts';

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
    super(`The database's schema is older than this version, which needs ${ours}; run \`npm run migrate\`.`);
  }
}

const ours = listTags().at(-1) ?? '';

/**
 * Whether this process can do its work in the database now: the server answers, has the tables and takes writes. Resolves
 * to a warning, or null. Throws SchemaOutdatedError and DatabaseError.
 *
 * Caller: health checks and the start of both processes.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function checkDatabase(db: Database): Promise<string | null> {
  const state = await checkSchemaVersion(db);
  // The list of migrations may be right while the tables are gone.
  await db.query((sql) => checkWrites(sql, db.onlyReads));
  switch (state) {
    case 'newer':
      return "The database's schema is newer than this version of Auditbox; upgrade this process soon.";
    case 'unknown':
      return "This role may not read the table migration, so the schema's version is not checked.";
    case 'current':
      return null;
    default:
      return state satisfies never;
  }
}

/** One sentence for the operator, for the log, about why checkDatabase threw. Rethrows an error that is not the database's. */
export function explainUnready(error: unknown): string {
  if (error instanceof SchemaOutdatedError) return error.message;
  const databaseError = toDatabaseError(error);
  if (databaseError === null) throw error;
  return databaseError.sentence;
}

/** The same in a sentence that anybody may read. The log has the other one. */
export function explainUnreadyToAnybody(error: unknown): string {
  if (error instanceof SchemaOutdatedError) return error.message;
  const databaseError = toDatabaseError(error);
  if (databaseError === null) throw error;
  return publicSentence(databaseError);
}

/** Throws inside of `query`, which gets new connections then. */
async function checkWrites(sql: Sql, onlyReads: boolean): Promise<void> {
  const [row] = await sql<[{ isReadOnly: boolean }]>`
    select pg_is_in_recovery() or (current_setting('transaction_read_only')::boolean and not ${onlyReads}::boolean)
      as "isReadOnly"
    from (values (1)) one left join (select from auditbox.outbox_status limit 0) none on true`;
  if (row.isReadOnly) throw new DatabaseError('25006', 'it is a standby, or set to read only');
}

async function checkSchemaVersion(db: Database): Promise<SchemaState> {
  try {
    const [row] = await db.query(
      (sql) => sql<[{ tag: string | null; oldestReader: string | null }]>`
        select max(tag collate "C") as tag, max(oldest_reader collate "C") as "oldestReader" from auditbox.migration`,
    );
    if (row.oldestReader !== null && isTooNew(row.oldestReader)) throw DatabaseError.schemaTooNew(row.oldestReader);
    if (row.tag === null || row.tag < ours) throw new SchemaOutdatedError();
    return row.tag > ours ? 'newer' : 'current';
  } catch (error) {
    const code = toDatabaseError(error)?.code;
    if (code === unknownTable || code === unknownSchema || code === unknownColumn) throw new SchemaOutdatedError();
    if (code === missingRight) return 'unknown';
    throw error;
  }
}

const unknownTable = '42P01';
/** From before the list had all its columns. */
const unknownColumn = '42703';
const unknownSchema = '3F000';
const missingRight = '42501';
