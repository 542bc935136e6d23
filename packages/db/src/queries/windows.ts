import type { Database } from '../database/connect.ts';
import { createFairTurns } from '../database/fair-turns.ts';
import { workForAll } from '../database/holder.ts';
import type { EventFilter } from './event-filter.ts';
import type { EventOrder, EventPosition } from './event-order.ts';

/*
 * A statement locks each month that it may read, with all its indexes, before it reads a row. Twenty lists over ten years
 * would need more locks than a server has by default. So a list over many months is read in windows of a year, newest
 * first, and stops when the page is full.
 */

/** Months that one statement may lock. */
const monthsInWindow = 12;
const rememberMs = 60_000;

/** A part of the time axis: from the first instant, included, to the second one, excluded. Null: without end. */
export interface Window {
  readonly from: string | null;
  readonly to: string | null;
}

/** Where months begin, newest first: ISO 8601 in UTC. A month that is made later is inside one of the windows anyway. */
const known = new WeakMap<Database, { readonly at: number; readonly starts: Promise<readonly string[]> }>();

/**
 * The windows that the rows of a list are in, in the order of the list. One window without bounds if there are few months.
 * Null if the order is not by event time and there are many: then only one statement can sort the rows.
 */
export async function listWindows(
  db: Database,
  filter: EventFilter,
  order: EventOrder,
  after: EventPosition | null,
): Promise<readonly Window[] | null> {
  const all = splitAxis(await getMonths(db)).filter(({ from, to }) => isWanted(filter, from, to));
  if (all.length <= 1) return [{ from: null, to: null }];
  if (order.by !== 'updated_at') return null;
  const time = after?.[0];
  const isDescending = order.direction === 'desc';
  const left = all.filter(({ from, to }) => {
    if (time === undefined) return true;
    return isDescending ? from === null || from <= time : to === null || to > time;
  });
  return isDescending ? left : left.toReversed();
}

function isWanted({ occurredFrom, occurredTo }: EventFilter, from: string | null, to: string | null): boolean {
  const isBefore = to !== null && occurredFrom !== undefined && to <= occurredFrom;
  const isAfter = from !== null && occurredTo !== undefined && from > occurredTo;
  return !isBefore && !isAfter;
}

/** The whole axis in windows, newest first. */
function splitAxis(starts: readonly string[]): Window[] {
  const bounds = starts.filter((_start, index) => index % monthsInWindow === monthsInWindow - 1);
  const ends = [null, ...bounds];
  return ends.map((to, index) => ({ from: bounds[index] ?? null, to }));
}

function getMonths(db: Database): Promise<readonly string[]> {
  const remembered = known.get(db);
  if (remembered && performance.now() - remembered.at < rememberMs) return remembered.starts;
  const starts = workForAll(() => readMonths(db));
  known.set(db, { at: performance.now(), starts });
  // A failed reading is not remembered.
  starts.catch(() => known.delete(db));
  return starts;
}

/**
 * Caller: lists and exports.
 * Locks: none.
 * Crash: nothing is written.
 */
async function readMonths(db: Database): Promise<readonly string[]> {
  const rows = await db.query(
    (sql) => sql<{ start: string }[]>`
      select to_char(starts_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as start
      from auditbox.list_months() order by starts_at desc`,
  );
  return rows.map(({ start }) => start);
}

/** The filter within a window. */
export function within(filter: EventFilter, { from, to }: Window): EventFilter {
  const { occurredFrom } = filter;
  return {
    ...filter,
    occurredFrom: from !== null && (occurredFrom === undefined || from > occurredFrom) ? from : occurredFrom,
    occurredBefore: to ?? undefined,
  };
}

/** The one before may wait for a connection and then run, each until its deadline. Of two keys the second one waits for both. */
const waitMs = 60_000;
const wideTurns = createFairTurns({ running: 1, runningEach: 1, waiting: 50, waitingEach: 25, waitMs });

/** Runs a statement that locks all months: one at a time in a process. Throws DatabaseError if too many wait. */
export function runWide<T>(statement: () => Promise<T>): Promise<T> {
  return wideTurns.run(statement);
}
