import type { DuckDBConnection } from '@duckdb/node-api';
import { ArchiveError } from '../archive-error.ts';
import { printRows, type RowFormat } from './print-rows.ts';

/** Runs one statement and prints its rows. The statement is the user's, so its error is a sentence to show: an ArchiveError. */
export async function runStatement(
  connection: DuckDBConnection,
  sql: string,
  format: RowFormat,
  write: (text: string) => void,
): Promise<void> {
  try {
    if ((await connection.extractStatements(sql)).count !== 1) throw new Error('Give one statement.');
    await printRows(await connection.stream(sql), format, write);
  } catch (error) {
    throw new ArchiveError(`The statement failed: ${(error as Error).message}`);
  }
}
