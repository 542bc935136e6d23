import type { DuckDBConnection, StatementType } from '@duckdb/node-api';
import { ArchiveError } from '../archive-error.ts';
import type { Write } from '../write-to.ts';
import { printRows, type RowFormat } from './print-rows.ts';

/*
 * What writes files, or may run a statement that does. DuckDB may write where it reads, and its files are the cache's: a
 * statement from elsewhere could put false events there, which later queries would find.
 */
const refusedTypes = [
  'COPY',
  'COPY_DATABASE',
  'EXPORT',
  'ATTACH',
  'PREPARE',
  'EXECUTE',
  'LOAD',
  'EXTENSION',
  'MULTI',
] as const;

/** An EXPLAIN of anything else could run it. */
const explainsQuery = /^\s*explain\s+(?:analyze\s+)?(?:\([^()]*\)\s*)?(?:select|with|from|values|table)\b/i;

/** Runs one statement and prints its rows. The statement is the user's, so its error is a sentence to show: an ArchiveError. */
export async function runStatement(
  connection: DuckDBConnection,
  sql: string,
  format: RowFormat,
  write: Write,
): Promise<void> {
  try {
    const statements = await connection.extractStatements(sql);
    if (statements.count !== 1) throw new Error('Give one statement.');
    const prepared = await statements.prepare(0);
    const type = prepared.statementType;
    prepared.destroySync();
    await requireNoFiles(type, sql);
    await printRows(await connection.stream(sql), format, write);
  } catch (error) {
    throw new ArchiveError(`The statement failed: ${(error as Error).message}`);
  }
}

async function requireNoFiles(type: StatementType, sql: string): Promise<void> {
  const { StatementType: types } = await import('@duckdb/node-api');
  if (refusedTypes.some((name) => types[name] === type) || (type === types.EXPLAIN && !explainsQuery.test(sql)))
    throw new Error('It could write files. Print the rows instead, with --csv or --json.');
}
