import { checkDatabase, explainUnreadyToAnybody } from '@auditbox/db/database/check-database.ts';
import type { Cell } from './cell.ts';

/**
 * Whether requests can be served now: by the one database, or by at least one cell. Resolves to a warning, or null. Throws
 * what checkDatabase throws for the first cell if no cell is ready.
 */
export async function checkCells(cells: readonly Cell[]): Promise<string | null> {
  const [only] = cells;
  if (only !== undefined && cells.length === 1) return checkDatabase(only.db);
  const outcomes = await Promise.allSettled(cells.map(({ db }) => checkDatabase(db)));
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
