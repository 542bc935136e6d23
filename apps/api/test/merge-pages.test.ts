import { allTenants } from '@auditbox/core/keys/tenant-scope.ts';
import { cellOf } from '@auditbox/db/cells/cell-of.ts';
import { comparePositions } from '@auditbox/db/queries/compare-positions.ts';
import { type PositionedEvent, takeWhileSmall } from '@auditbox/db/queries/find-events.ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type FindInCell, findInCells } from '../src/cells/find-in-cells.ts';
import { mergePages } from '../src/cells/merge-pages.ts';

const order = { direction: 'asc' } as const;
const positions = fc.array(fc.string({ unit: 'binary', maxLength: 3 }), { maxLength: 20 });

test('merged pages are the beginning of the sorted union, also where pages of cells ended early', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ all: positions, shown: fc.nat({ max: 20 }) }), { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: 50 }),
      (cells, most) => {
        const sorted = cells.map(({ all }, cell) =>
          // The name of the cell makes the order total, as the id of an event does.
          all
            .map((text, index) => ({ position: [text, `${cell}-${index}`] }))
            .sort((a, b) => comparePositions(order, a.position, b.position)),
        );
        const pages = sorted.map((events, cell) => ({
          events: events.slice(0, cells[cell]?.shown),
          hasMore: events.length > (cells[cell]?.shown ?? 0),
        }));
        const union = sorted.flat().sort((a, b) => comparePositions(order, a.position, b.position));
        const merged = mergePages(pages, order, most);
        expect(merged.events).toEqual(union.slice(0, merged.events.length));
        expect(merged.hasMore).toBe(merged.events.length < union.length);
        const isComplete = pages.every(({ hasMore }) => !hasMore);
        if (isComplete) expect(merged.events.length).toBe(Math.min(most, union.length));
      },
    ),
  );
});

/** A cell as `findEvents` answers for it. */
function createCell(events: readonly PositionedEvent[]): FindInCell {
  return async ({ order: by, after, offset, limit }) => {
    const behind = events.filter(({ position }) => after === null || comparePositions(by, position, after) > 0);
    const rows = behind.slice(offset, offset + limit + 1);
    const found = takeWhileSmall(rows, limit);
    const last = found.at(-1)?.position ?? null;
    return { events: found, next: rows.length > found.length ? last : null, last, total: null };
  };
}

test('a page of large events ends at the same event as that of one database, wherever it begins', async () => {
  const megabyte = 1024 * 1024;
  await fc.assert(
    fc.asyncProperty(
      // Neighbours are often in one cell, so that its page is full before any other cell has an event.
      fc.array(fc.record({ cell: fc.nat({ max: 2 }), run: fc.integer({ min: 1, max: 12 }) }), { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 9 * megabyte }), { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 30 }),
      fc.nat({ max: 40 }),
      async (runs, sizes, limit, offset) => {
        const all = runs
          .flatMap(({ cell, run }) => Array.from({ length: run }, () => cell))
          .map((cell, n) => {
            const id = String(n).padStart(4, '0');
            return {
              cell,
              event: { id, at: id, json: null, bytes: sizes[n % sizes.length] as number, position: [id, id] },
            };
          });
        const cells = [0, 1, 2].map((cell) =>
          createCell(all.filter((one) => one.cell === cell).map(({ event }) => event)),
        );
        const query = {
          filter: { tenant: allTenants },
          order: { by: 'updated_at', direction: 'asc' },
          ...{ after: null, offset, limit, countUpTo: null },
        } as const;
        const { events, next } = await findInCells(cells, query, () => {});
        // One database skips events without regard to their size.
        const rows = all.slice(offset).map(({ event }) => event);
        const wanted = takeWhileSmall(rows, limit);
        expect(events).toEqual(wanted);
        expect(next).toEqual(rows.length > wanted.length ? (wanted.at(-1)?.position ?? null) : null);
      },
    ),
    { numRuns: 400, seed: 19 },
  );
});

test('texts are compared as Postgres does with collation C', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
      expect(Math.sign(comparePositions(order, [a], [b]))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
  );
});

test('a cell that joins takes its share of ids, and no id moves between the other cells', () => {
  const before = ['ash', 'birch', 'cedar'];
  const after = [...before, 'dogwood'];
  const ids = Array.from({ length: 4_000 }, () => crypto.randomUUID());
  const moved = ids.filter((id) => cellOf(id, after) !== cellOf(id, before));
  expect(moved.every((id) => cellOf(id, after) === 'dogwood')).toBe(true);
  expect(moved.length).toBeGreaterThan(800);
  expect(moved.length).toBeLessThan(1_200);
  // The names alone decide, not their order.
  expect(ids.every((id) => cellOf(id, after) === cellOf(id, after.toReversed()))).toBe(true);
});
