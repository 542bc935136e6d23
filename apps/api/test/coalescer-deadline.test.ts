import { connectDatabase } from '@auditbox/db/database/connect.ts';
import { identify, type TracedEvent } from '@auditbox/db/events/event-record.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { expect, test } from 'vitest';
import type { Cell } from '../src/cells/cell.ts';
import { createCellHealth } from '../src/cells/cell-health.ts';
import { createRoutedCoalescer } from '../src/cells/routed-coalescer.ts';
import { createHeldCoalescer } from './held-coalescer.ts';

/* A single event has one deadline, whatever it waits for. */

test('events behind statements without an answer get an error at their own deadline, and are not stored afterwards', async () => {
  const { coalescer, statements, write } = createHeldCoalescer({ deadlineMs: 500, maxFlushes: 1, maxWaiting: 20 });
  const late = { code: 'DEADLINE_OVER' };
  const held = write('held');
  await Promise.all([expect(held).rejects.toMatchObject(late), eventually(() => expect(statements).toHaveLength(1))]);
  const waiting = Array.from({ length: 10 }, () => write('waiting'));
  for (const one of waiting) await expect(one).rejects.toMatchObject(late);
  // Their places are free again.
  expect([coalescer.waitingEvents, coalescer.waitingBytes]).toEqual([0, 0]);
  statements[0]?.end();
  const later = write('later');
  await eventually(() => expect(statements).toHaveLength(2));
  statements[1]?.end();
  await expect(later).rejects.toThrow('ended');
  expect(statements.map(({ names }) => names)).toEqual([['held'], ['later']]);
});

/** The event is of the cell ash. Its id is looked up in birch first. */
function createRouted() {
  const { coalescer, statements, makeEvent } = createHeldCoalescer();
  const [cell, former] = [{ name: 'ash' } as Cell, { name: 'birch' } as Cell];
  const lookUp = Promise.withResolvers<ReadonlyMap<string, Cell>>();
  // Nobody listens there: nothing may ask it.
  const changesDb = connectDatabase({
    url: 'postgres://nobody@127.0.0.1:9/none',
    application: 'test',
    maxConnections: 1,
    statementTimeoutMs: 60_000,
  });
  const health = createCellHealth([{ name: 'ash', changesDb }]);
  const routed = createRoutedCoalescer({
    router: {
      identify: (event: TracedEvent) => identify(event),
      placesOf: () => [cell, former],
      findCells: () => lookUp.promise,
      pickCell: () => cell,
    },
    coalescers: new Map([[cell, coalescer]]),
    health,
    deadlineMs: 600_000,
  });
  const { id } = anEvent();
  return {
    health,
    statements,
    write: (leftMs: number) => routed.write({ ...makeEvent('late'), id }, performance.now() + leftMs),
    found: () => lookUp.resolve(new Map([[id, cell]])),
  };
}

test('an event whose look-up in former cells took its whole deadline is not written behind the answer', async () => {
  const { health, statements, write, found } = createRouted();
  const written = write(0);
  found();
  await expect(written).rejects.toMatchObject({ code: 'DEADLINE_OVER', cell: null });
  expect([statements.length, health.isUp('ash')]).toEqual([0, true]);
});

test('a cell that gets what another one left of a deadline is not down when that is over', async () => {
  const { health, statements, write, found } = createRouted();
  const written = write(200);
  found();
  await expect(written).rejects.toMatchObject({ code: 'DEADLINE_OVER', cell: null });
  expect([statements.length, health.isUp('ash')]).toEqual([1, true]);
});
