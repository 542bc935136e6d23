import { sampleEvents } from '@auditbox/db/cells/sample-events.ts';
import type { Cell } from './cell.ts';
import type { EventRouter } from './event-router.ts';

/**
 * A warning if a cell has events of the last days whose ids the lists of cells do not look for in it: then a cell was added, renamed
 * or closed without DATABASE_CELLS_BEFORE, and an id that is sent again is stored twice. Null if not.
 */
export async function findMisplaced(cell: Cell, { placesOf }: Pick<EventRouter, 'placesOf'>): Promise<string | null> {
  const events = await sampleEvents(cell.db);
  const misplaced = events.filter(({ id }) => !placesOf(id).includes(cell));
  if (misplaced.length === 0) return null;
  const newest = misplaced.reduce((a, b) => (a.recordedAt > b.recordedAt ? a : b));
  return (
    `Of ${events.length} of its events of the last days, ${misplaced.length} have ids that DATABASE_CELLS and ` +
    `DATABASE_CELLS_BEFORE place in other cells, the newest ${newest.id} of ${newest.recordedAt}. If such an id is sent again, it is stored twice. ` +
    'Add the lists of before to DATABASE_CELLS_BEFORE.'
  );
}
