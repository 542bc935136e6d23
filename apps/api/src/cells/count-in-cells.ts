import type { Database } from '@auditbox/db/database/connect.ts';
import { compareTexts } from '@auditbox/db/queries/compare-positions.ts';
import {
  countBy,
  countGroups,
  countNamedGroups,
  type EventCount,
  type EventCountQuery,
  type GroupCount,
} from '@auditbox/db/queries/count-by.ts';

type GroupQuery = EventCountQuery & { readonly groupBy: NonNullable<EventCountQuery['groupBy']> };

/** `countBy` over several cells. The largest groups are those of all cells together. */
export async function countInCells(cells: readonly Database[], query: EventCountQuery): Promise<EventCount[]> {
  const { groupBy } = query;
  const names = groupBy === null ? undefined : await findLargest(cells, { ...query, groupBy });
  const parts = await Promise.all(cells.map((db) => countBy(db, names === undefined ? query : { ...query, names })));
  return sumCounts(parts.flat());
}

function sumCounts(counts: readonly EventCount[]): EventCount[] {
  const sums = new Map<string, EventCount>();
  for (const { start, group, count } of counts) {
    const key = JSON.stringify([start, group]);
    sums.set(key, { start, group, count: (sums.get(key)?.count ?? 0) + count });
  }
  return [...sums.values()].sort((a, b) => compareTexts(a.start, b.start) || compareNullsLast(a.group, b.group));
}

function compareNullsLast(a: string | null, b: string | null): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  return compareTexts(a, b);
}

/** A cell first returns this many of its largest groups. */
const firstLimit = 2_000;

/** The names of the largest groups over all cells. */
async function findLargest(cells: readonly Database[], query: GroupQuery): Promise<readonly string[]> {
  for (let limit = firstLimit; ; limit *= 10) {
    const lists = await Promise.all(cells.map((db) => countGroups(db, query, limit)));
    const candidates = [...new Set(lists.flat().map(({ name }) => name))];
    // A list that is not full has every group of its cell.
    const isFull = lists.map((list) => list.length === limit);
    const missing = await Promise.all(
      cells.map((db, cell) => (isFull[cell] ? countMissing(db, query, candidates, lists[cell] ?? []) : [])),
    );
    const largest = sumGroups([...lists.flat(), ...missing.flat()]).slice(0, query.maxGroups);
    // A group that no list has is at most as large as this.
    const unseen = lists.reduce((sum, list, cell) => sum + (isFull[cell] ? (list.at(-1)?.count ?? 0) : 0), 0);
    if (largest.length < query.maxGroups || (largest.at(-1)?.count ?? 0) > unseen || unseen === 0)
      return largest.map(({ name }) => name);
  }
}

function countMissing(
  db: Database,
  query: GroupQuery,
  candidates: readonly string[],
  known: readonly GroupCount[],
): Promise<GroupCount[]> {
  const names = new Set(known.map(({ name }) => name));
  return countNamedGroups(
    db,
    query,
    candidates.filter((name) => !names.has(name)),
  );
}

/** Largest first, and equal ones by the bytes of the name. */
function sumGroups(groups: readonly GroupCount[]): GroupCount[] {
  const sums = new Map<string, number>();
  for (const { name, count } of groups) sums.set(name, (sums.get(name) ?? 0) + count);
  return Array.from(sums, ([name, count]) => ({ name, count })).sort(
    (a, b) => b.count - a.count || compareTexts(a.name, b.name),
  );
}
