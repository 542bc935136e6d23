import { within } from '@auditbox/core/within.ts';
import { listArchiveStates } from '@auditbox/db/events/archive-states.ts';
import { getEvent } from '@auditbox/db/events/get-event.ts';
import { findEvents } from '@auditbox/db/queries/find-events.ts';
import { type FoundEvent, readPageEvents } from '@auditbox/db/queries/page-bytes.ts';
import { getRecordBegin } from '@auditbox/db/queries/record-begin.ts';
import { createPollEnd } from '../read/await-poll-end.ts';
import type { EventReads, LocatedEvent, Sources } from '../read/event-reads.ts';
import { createFeed } from '../read/feed.ts';
import type { Cell } from './cell.ts';
import { countInCells } from './count-in-cells.ts';
import type { EventRouter } from './event-router.ts';
import { findInCells } from './find-in-cells.ts';
import { openMergedExport } from './merged-export.ts';
import { readMergedFeed } from './merged-feed.ts';

/** Which cell an event of a page is from. */
type Origins = WeakMap<FoundEvent, Cell>;

/**
 * Reads of several cells, merged by position. A list needs every cell: if one is down, the list fails and the error names the
 * cell, because a list without its events would look complete. An event by its id needs only the cells that may have it.
 */
export function createCellSources(cells: readonly Cell[], router: EventRouter, onlyBefore: string | null): Sources {
  const origins: Origins = new WeakMap();
  const byName = new Map(cells.map((cell) => [cell.name, cell]));
  const reads = readCells(cells, router, { origins, onlyBefore });
  const pollEnds = cells.map(({ readers }) => createPollEnd(readers.primary.poolFor()));
  const feeds = cells.map(({ name, readers }) => ({ name, read: createFeed(readers.primary) }));
  return {
    async choose(request, response) {
      // There are no replicas with cells, so each read sees every write.
      if (/(^|[,;])\s*read-primary\s*($|[,;])/i.test(request.get('prefer') ?? ''))
        response.setHeader('preference-applied', 'read-primary');
      return reads;
    },
    async pollEnd(filter) {
      const ends = await Promise.all(pollEnds.map((end) => end(filter)));
      // Below its own end each cell is complete, whatever its clock says.
      return ends.filter((end) => end !== null).sort()[0] ?? null;
    },
    async readFeed(query) {
      const { cellOf, ...part } = await readMergedFeed(feeds, query, onlyBefore);
      for (const [event, name] of cellOf) origins.set(event, byName.get(name) as Cell);
      return part;
    },
  };
}

interface CellReads {
  readonly origins: Origins;
  /** The name of the cell that was the only database before. */
  readonly onlyBefore: string | null;
}

function readCells(cells: readonly Cell[], router: EventRouter, { origins, onlyBefore }: CellReads): EventReads {
  const ready = (cell: Cell) => cell.readers.getPrimary();
  const readyAll = () => Promise.all(cells.map(ready));
  return {
    async findEvents(query) {
      const readers = await readyAll();
      const finds = readers.map(
        (reader) => async (part: typeof query) => findEvents(reader.poolFor(part.filter), part),
      );
      return findInCells(finds, query, (event, cell) => origins.set(event, cells[cell] as Cell));
    },
    async *readPageEvents(events) {
      for (const run of splitRuns(events, origins)) {
        const cell = run.cell ?? (cells[0] as Cell);
        yield* readPageEvents(cell.readers.primary.poolFor(), run.events);
      }
    },
    locateEvent: (id, tenant) =>
      locate(cells, router, id, (cell) => getEvent(cell.readers.primary.poolFor(), id, tenant)),
    async countBy(query) {
      const readers = await readyAll();
      return countInCells(
        readers.map((reader) => reader.countPoolFor(query.filter)),
        query,
      );
    },
    async getRecordBegin() {
      const begins = await Promise.all(cells.map(({ readers }) => getRecordBegin(readers.primary.poolFor())));
      return (
        begins
          .filter((begin) => begin !== null)
          .sort()
          .at(-1) ?? null
      );
    },
    async listArchiveStates(asked) {
      const states = await Promise.all(cells.map(({ readers }) => listArchiveStates(readers.primary.poolFor(), asked)));
      return states.flat().sort((a, b) => (a.id < b.id ? -1 : 1));
    },
    listLedgers: () =>
      cells.map(({ name, readers }) => ({ name, db: readers.primary.poolFor(), wasOnly: name === onlyBefore })),
    async openExport(format, list, options) {
      const readers = await readyAll();
      return openMergedExport(
        readers.map((reader) => reader.poolFor(list.filter)),
        format,
        list,
        options,
      );
    },
  };
}

/** A cell is waited for this long before the next ones are asked as well. */
const graceMs = 1_000;

/**
 * Looks in the cells that may have the id, then in all others, because services write into cells by themselves. A cell that does
 * not answer delays the others for a moment. Throws the error of a cell that is down only if no other cell has the event.
 */
async function locate(
  cells: readonly Cell[],
  router: EventRouter,
  id: string,
  get: (cell: Cell) => Promise<LocatedEvent['event'] | null>,
): Promise<LocatedEvent | null> {
  const likely = router.placesOf(id.toLowerCase());
  const others = cells.filter((cell) => !likely.includes(cell));
  const asked: Promise<LocatedEvent | null>[] = [];
  const getIn = async (cell: Cell): Promise<LocatedEvent | null> => {
    const event = await get(cell);
    return event && { event, reader: cell.readers.primary };
  };
  for (const group of [...likely.map((cell) => [cell]), others]) {
    asked.push(...group.map(getIn));
    const found = await within(graceMs, firstFound(asked), () => null);
    if (found !== null) return found;
  }
  const found = await firstFound(asked);
  // The first error of a cell that could have it.
  if (found === null) await Promise.all(asked);
  return found;
}

/** The first value that is not null; null if all others were null or failed. */
async function firstFound<T>(promises: readonly Promise<T | null>[]): Promise<T | null> {
  const values = promises.map(async (promise) => (await promise) ?? Promise.reject(new Error('null')));
  return Promise.any(values).catch(() => null);
}

interface Run<T> {
  /** Null: its events have their JSON. */
  readonly cell: Cell | null;
  readonly events: T[];
}

/** Events in order, in runs that one cell can read. */
function splitRuns<T extends FoundEvent>(events: readonly T[], origins: Origins): Run<T>[] {
  const runs: Run<T>[] = [];
  for (const event of events) {
    const cell = event.json === null ? (origins.get(event) ?? null) : null;
    const run = runs.at(-1);
    if (run !== undefined && run.cell === cell) run.events.push(event);
    else runs.push({ cell, events: [event] });
  }
  return runs;
}
