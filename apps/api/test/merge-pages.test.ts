import { cellOf } from '@auditbox/db/cells/cell-of.ts';
import { comparePositions } from '@auditbox/db/queries/compare-positions.ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
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
