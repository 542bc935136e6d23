import { within } from '@auditbox/core/within.ts';
import { readCellMark } from '@auditbox/db/cells/cell-mark.ts';
import { readSchemaComment } from '@auditbox/db/cells/read-schema-comment.ts';
import { checkDatabase, explainUnreadyToAnybody } from '@auditbox/db/database/check-database.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { anotherCellCode, DatabaseError } from '@auditbox/db/database/database-error.ts';
import type { Cell } from './cell.ts';
import type { EventRouter } from './event-router.ts';
import { findMisplaced } from './find-misplaced.ts';

/** A cell that does not answer must not make the api look as if it did not answer. */
const cellDeadlineMs = 2_000;
/** A check waits this long for what it looks for in events. A later check has it. */
const lookMs = 500;

/**
 * Makes the check whether requests can be served now: by the one cell, or by at least one of several. Resolves to a warning, or
 * null. Throws what checkDatabase throws for the first cell if no cell is ready, and if a database is not the cell that the list
 * calls it: then the list is wrong, and with it every place of an event.
 */
export function createCellsCheck(cells: readonly Cell[], router: EventRouter): () => Promise<string | null> {
  const [only] = cells;
  if (only !== undefined && cells.length === 1) return () => checkDatabase(only.db);
  const checks = cells.map((cell) => ({ name: cell.name, check: createCellCheck(cell, router) }));
  return () => checkAll(checks);
}

interface CellCheck {
  readonly name: string;
  readonly check: () => Promise<string | null>;
}

async function checkAll(checks: readonly CellCheck[]): Promise<string | null> {
  const outcomes = await Promise.allSettled(checks.map(({ name, check }) => checkInTime(name, check())));
  const reasons = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
  const wrong = reasons.find((reason) => reason instanceof DatabaseError && reason.code === anotherCellCode);
  if (wrong !== undefined) throw wrong;
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed?.status === 'rejected' && outcomes.every(({ status }) => status === 'rejected')) throw failed.reason;
  const warnings = outcomes.flatMap((outcome, index) => {
    const name = checks[index]?.name;
    if (outcome.status === 'rejected')
      return [`The cell ${name} is not ready: ${explainUnreadyToAnybody(outcome.reason)}`];
    return outcome.value === null ? [] : [`The cell ${name}: ${outcome.value}`];
  });
  return joinWarnings(warnings);
}

function joinWarnings(warnings: readonly (string | null)[]): string | null {
  return warnings.filter((warning) => warning !== null).join(' ') || null;
}

function createCellCheck(cell: Cell, router: EventRouter): () => Promise<string | null> {
  /** The lists do not change while the process runs, so one look is enough. */
  let misplaced: string | null = null;
  let looking: Promise<void> | null = null;
  const look = async () => {
    try {
      misplaced = await findMisplaced(cell, router);
    } catch (error) {
      if (!(error instanceof DatabaseError)) throw error;
      looking = null;
    }
  };
  return async () => {
    const state = await checkDatabase(cell.db);
    const name = await checkName(cell.db);
    looking ??= look();
    // It reads events, which may be locked or slow to read. The cell is ready all the same.
    await within(lookMs, looking, () => {});
    return joinWarnings([state, name, misplaced]);
  };
}

async function checkName(db: Database): Promise<string | null> {
  if (readCellMark(await readSchemaComment(db)) !== null) return null;
  return 'Its database does not have its name, so swapped names would not be noticed; run `npm run migrate` with DATABASE_CELLS once.';
}

function checkInTime(name: string, check: Promise<string | null>): Promise<string | null> {
  return within(cellDeadlineMs, check, () => {
    throw Object.assign(DatabaseError.silent(cellDeadlineMs), { cell: name });
  });
}
