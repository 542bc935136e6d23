import { checkEvents } from '@auditbox/db/events/check-events.ts';
import type { IdentifiedEvent, TracedEvent } from '@auditbox/db/events/event-record.ts';
import { type EachOutcome, storeEachEvent } from '@auditbox/db/events/store-each.ts';
import { storeAuditLines } from '@auditbox/db/events/store-events.ts';
import type { WrittenLine } from '@auditbox/db/events/write-events.ts';
import { awaitTurn, startInPieces } from '../http/long-work.ts';
import type { EventStore, PartStore } from '../write/event-store.ts';
import type { Cell } from './cell.ts';
import type { CellHealth } from './cell-health.ts';
import type { EventRouter } from './event-router.ts';

interface Placed {
  readonly event: IdentifiedEvent;
  /** In the caller's list. */
  readonly index: number;
}

const eventsPerPiece = 500;

type Groups = ReadonlyMap<Cell, readonly Placed[]>;

/**
 * The store of several cells. Events without ids are all in one cell, so they are stored in one transaction. Ids of several
 * cells are looked up in all of them before anything is written; then each cell stores its events or none. When a cell fails
 * after another has stored its events, the call throws, and the same call again completes it.
 */
export function createRoutedStore(router: EventRouter, health: CellHealth): EventStore {
  const store = (cell: Cell, placed: readonly Placed[], maxNewMonths: number) =>
    health.watch(
      cell.name,
      storeAuditLines(
        cell.batchesDb,
        placed.map(({ event }) => event),
        { months: cell.months, maxNewMonths, run: startInPieces },
      ),
    );

  /** The events of each cell. Those without ids are in the last group. */
  async function place(events: readonly TracedEvent[]): Promise<Groups> {
    const isAnonymous = events.some(({ id }) => id === null);
    const ids = events.flatMap(({ id }) => (id === null ? [] : [id.toLowerCase()]));
    const found = await router.findCells(ids);
    // A cell that is only read may have an old event, but no new id leads there.
    const first = found.values().find(({ takesEvents }) => takesEvents);
    const anonymous = isAnonymous ? (first ?? router.pickCell()) : null;
    const groups = new Map<Cell, Placed[]>();
    for (const [index, given] of events.entries()) {
      const event = router.identify(given, anonymous ?? undefined);
      const cell = (given.id === null ? anonymous : found.get(event.id)) as Cell;
      const placed = groups.get(cell);
      if (placed === undefined) groups.set(cell, [{ event, index }]);
      else placed.push({ event, index });
      // Finding ids of one cell takes several tries each.
      if (index % eventsPerPiece === eventsPerPiece - 1) await awaitTurn();
    }
    // Sent again, they would get other ids. So nothing may fail behind them.
    const last = anonymous === null ? undefined : groups.get(anonymous);
    if (anonymous === null || last === undefined) return groups;
    groups.delete(anonymous);
    return groups.set(anonymous, last);
  }

  async function storeGroups(groups: Groups, maxNewMonths: number): Promise<Map<number, WrittenLine>> {
    const written = new Map<number, WrittenLine>();
    const storeGroup = async ([cell, placed]: [Cell, readonly Placed[]]) => {
      const stored = await withPlaces(placed, () => store(cell, placed, maxNewMonths));
      for (const [at, one] of stored.entries()) written.set(placed[at]?.index ?? -1, one);
    };
    const all = [...groups];
    const last = all.pop();
    await settleAll(all.map(storeGroup));
    if (last !== undefined) await storeGroup(last);
    return written;
  }

  return {
    async storeAll(events, { maxNewMonths = Number.POSITIVE_INFINITY } = {}) {
      const groups = await place(events);
      if (groups.size > 1)
        await settleAll(
          Array.from(groups, ([cell, placed]) => {
            const check = checkEvents(
              cell.batchesDb,
              placed.map(({ event }) => event),
              startInPieces,
            );
            return withPlaces(placed, () => health.watch(cell.name, check));
          }),
        );
      const written = await storeGroups(groups, maxNewMonths);
      return events.map((_event, index) => written.get(index) as WrittenLine);
    },
    openParts: () => openRoutedParts(router, health),
  };
}

/** Events without ids are all in one cell, and are stored last: sent again, they would get other ids. */
function openRoutedParts(router: EventRouter, health: CellHealth): PartStore {
  let anonymous: Cell | null = null;
  const made = new Set<string>();
  return {
    identify(given) {
      if (given.id !== null) return router.identify(given);
      anonymous ??= router.pickCell();
      const event = router.identify(given, anonymous);
      made.add(event.id);
      return event;
    },
    async storeEach(events) {
      const found = await router.findCells(events.map(({ id }) => id).filter((id) => !made.has(id)));
      const groups = Map.groupBy(
        events.map((event, index) => ({ event, index })),
        ({ event }) => (made.has(event.id) ? anonymous : found.get(event.id)) as Cell,
      );
      const outcomes = new Map<number, EachOutcome>();
      const storeGroup = async ([cell, placed]: [Cell, readonly Placed[]]) => {
        const list = placed.map(({ event }) => event);
        const stored = await health.watch(cell.name, storeEachEvent(cell.batchesDb, list, cell.months, startInPieces));
        for (const [at, one] of stored.entries()) {
          if (!one.stored) health.noteEventError(cell.name, one.error);
          outcomes.set(placed[at]?.index ?? -1, one);
        }
      };
      const isLast = ([cell]: [Cell, readonly Placed[]]) => cell === anonymous;
      await settleAll([...groups].filter((group) => !isLast(group)).map(storeGroup));
      for (const group of [...groups].filter(isLast)) await storeGroup(group);
      return events.map((_event, index) => outcomes.get(index) as EachOutcome);
    },
  };
}

/** An error that names an event by its index names it by its index in the caller's list. */
async function withPlaces<T>(placed: readonly Placed[], work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { index } = error as { index?: unknown };
    if (error instanceof Error && typeof index === 'number')
      Object.assign(error, { index: placed[index]?.index ?? -1 });
    throw error;
  }
}

/** Waits for all, also when one fails: an answer must not come while events are still written. */
async function settleAll(work: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
}
