import { cellOf } from '@auditbox/db/cells/cell-of.ts';
import { type IdentifiedEvent, identify, type TracedEvent } from '@auditbox/db/events/event-record.ts';
import { findTakenIds } from '@auditbox/db/events/find-taken-ids.ts';
import type { Cell } from './cell.ts';
import type { CellHealth } from './cell-health.ts';

/**
 * Decides which cell stores an event. It is a function of the id, because the id must be looked up where it was stored. An
 * event without an id gets one of a cell that is up.
 */
export interface EventRouter {
  /** The cells that ids may be in: the one that stores new ones first, then those that stored them before. */
  placesOf(id: string): readonly [Cell, ...Cell[]];
  /** The cell of each id: the one that has it already, or the one that stores it. Throws DatabaseError. */
  findCells(ids: readonly string[]): Promise<ReadonlyMap<string, Cell>>;
  /** A cell for events without ids. */
  pickCell(): Cell;
  /** Gives an event an id of the cell, or of any cell that is up. */
  identify(event: TracedEvent, cell?: Cell): IdentifiedEvent;
}

export interface RoutedCells {
  readonly cells: readonly Cell[];
  /** Names in the lists of earlier times. */
  readonly before: readonly (readonly string[])[];
  readonly health: CellHealth;
}

export function createEventRouter({ cells, before, health }: RoutedCells): EventRouter {
  const byName = new Map(cells.map((cell) => [cell.name, cell]));
  const names = cells.filter(({ takesEvents }) => takesEvents).map(({ name }) => name);
  const get = (name: string) => byName.get(name) as Cell;

  function placesOf(id: string): [Cell, ...Cell[]] {
    const owner = cellOf(id, names);
    const former = before.map((list) => cellOf(id, list)).filter((name) => name !== owner);
    return [get(owner), ...[...new Set(former)].map(get)];
  }

  async function findCells(ids: readonly string[]): Promise<ReadonlyMap<string, Cell>> {
    const found = new Map<string, Cell>();
    const asked = new Map<Cell, string[]>();
    for (const id of ids) {
      const [owner, ...former] = placesOf(id);
      found.set(id, owner);
      for (const cell of former) {
        const wanted = asked.get(cell);
        if (wanted === undefined) asked.set(cell, [id]);
        else wanted.push(id);
      }
    }
    await Promise.all(
      Array.from(asked, async ([cell, wanted]) => {
        const taken = await health.watch(cell.name, findTakenIds(cell.db, wanted));
        for (const id of taken) found.set(id, cell);
      }),
    );
    return found;
  }

  function identifyIn(event: TracedEvent, isMeant: (name: string) => boolean): IdentifiedEvent {
    // As many tries as there are cells, on average.
    for (;;) {
      const identified = identify(event);
      if (event.id !== null || isMeant(cellOf(identified.id, names))) return identified;
    }
  }

  /** The cells for events without ids. */
  function listBest(): readonly string[] {
    const up = names.filter(health.isUp);
    const best = up.filter((name) => !health.isBehind(name));
    return [best, up, names].find((list) => list.length > 0) ?? names;
  }

  return {
    placesOf,
    findCells,
    pickCell() {
      const from = listBest();
      return get(from[Math.floor(Math.random() * from.length)] as string);
    },
    identify(event, cell) {
      if (cell !== undefined) return identifyIn(event, (name) => name === cell.name);
      const from = listBest();
      return identifyIn(event, (name) => from.includes(name));
    },
  };
}
