import { DatabaseError } from '@auditbox/db/database/database-error.ts';
import type { TracedEvent } from '@auditbox/db/events/event-record.ts';
import { nameCell } from '@auditbox/db/events/event-refused-error.ts';
import type { Coalescer } from '../write/coalescer.ts';
import type { AcceptedEvent } from '../write/receipts.ts';
import type { Cell } from './cell.ts';
import type { CellHealth } from './cell-health.ts';
import type { EventRouter } from './event-router.ts';

interface RoutedCoalescerParts {
  readonly router: EventRouter;
  readonly coalescers: ReadonlyMap<Cell, Coalescer>;
  readonly health: CellHealth;
  /** From the call to the answer. */
  readonly deadlineMs: number;
}

/** Single events of several cells: each cell has its own coalescer, so a slow cell makes no other one wait. */
export function createRoutedCoalescer({ router, coalescers, health, deadlineMs }: RoutedCoalescerParts): Coalescer {
  const all = [...coalescers.values()];
  const writeTo = (cell: Cell, event: TracedEvent, endsAt: number): Promise<AcceptedEvent> =>
    health.watch(cell.name, (coalescers.get(cell) as Coalescer).write(event, endsAt));

  return {
    get waitingEvents() {
      return all.reduce((sum, { waitingEvents }) => sum + waitingEvents, 0);
    },
    get waitingBytes() {
      return all.reduce((sum, { waitingBytes }) => sum + waitingBytes, 0);
    },
    async write(given, endsAt = performance.now() + deadlineMs) {
      const event = router.identify(given);
      const [owner, ...former] = router.placesOf(event.id);
      if (given.id === null || former.length === 0)
        return writeTo(owner, event, endsAt).catch((error: unknown) => {
          // The cell had the whole deadline.
          nameCell(error, owner.name);
          throw error;
        });
      const cell = (await router.findCells([event.id])).get(event.id) as Cell;
      // The look-up and the write have one deadline: nothing is written behind the answer. If the look-up used it up, the cell
      // was not asked, so its health does not see the error.
      if (performance.now() >= endsAt) throw DatabaseError.late(deadlineMs);
      return writeTo(cell, event, endsAt);
    },
  };
}
