import { within } from '@auditbox/core/within.ts';
import { readCellMark } from '@auditbox/db/cells/cell-mark.ts';
import { readSchemaComment } from '@auditbox/db/cells/read-schema-comment.ts';
import { checkDatabase, explainUnreadyToAnybody } from '@auditbox/db/database/check-database.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { anotherCellCode, DatabaseError } from '@auditbox/db/database/database-error.ts';
import type { Cell } from './cell.ts';

/** A cell that does not answer must not make the api look as if it did not answer. */
const cellDeadlineMs = 2_000;

/**
 * Whether requests can be served now: by the one database, or by at least one cell. Resolves to a warning, or null. Throws
 * what checkDatabase throws for the first cell if no cell is ready, and if a database is not the cell that the list calls it:
 * then the list is wrong, and with it every place of an event.
 */
export async function checkCells(cells: readonly Cell[]): Promise<string | null> {
  const [only] = cells;
  if (only !== undefined && cells.length === 1) return checkDatabase(only.db);
  const outcomes = await Promise.allSettled(cells.map(({ name, db }) => checkInTime(name, checkCell(db))));
  const reasons = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
  const wrong = reasons.find((reason) => reason instanceof DatabaseError && reason.code === anotherCellCode);
  if (wrong !== undefined) throw wrong;
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed?.status === 'rejected' && outcomes.every(({ status }) => status === 'rejected')) throw failed.reason;
  const warnings = outcomes.flatMap((outcome, index) => {
    const name = cells[index]?.name;
    if (outcome.status === 'rejected')
      return [`The cell ${name} is not ready: ${explainUnreadyToAnybody(outcome.reason)}`];
    return outcome.value === null ? [] : [`The cell ${name}: ${outcome.value}`];
  });
  return warnings.length === 0 ? null : warnings.join(' ');
}

async function checkCell(db: Database): Promise<string | null> {
  const warning = await checkDatabase(db);
  if (warning !== null || readCellMark(await readSchemaComment(db)) !== null) return warning;
  return 'Its database does not have its name, so swapped names would not be noticed; run `npm run migrate` with DATABASE_CELLS once.';
}

function checkInTime(name: string, check: Promise<string | null>): Promise<string | null> {
  return within(cellDeadlineMs, check, () => {
    throw Object.assign(DatabaseError.silent(cellDeadlineMs), { cell: name });
  });
}
