import { archiveDestination as destination } from '@auditbox/core/export/archive-destination.ts';
import { findArchivedObjects } from '@auditbox/db/archive/find-archived-objects.ts';
import {
  type ArchivedBatch,
  type ArchivedBatchQuery,
  type ArchivedObject,
  type BatchPlace,
  listArchivedBatches,
} from '@auditbox/db/archive/list-archived-batches.ts';
import {
  type EventTimes,
  findArchivedDay,
  listBatchesOfDay,
  type TimedBatch,
} from '@auditbox/db/archive/list-batches-of-day.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { compareTexts } from '@auditbox/db/queries/compare-positions.ts';

/** A batch, and the cell whose ledger has it; the name is empty if there is one database. */
export type PlacedBatch = ArchivedBatch & { readonly cell: string };

/** Where a read of the archive goes on: within a batch, at a line. Null: at its beginning. */
export interface ArchivePlace extends BatchPlace {
  readonly cell: string;
  readonly line: number | null;
}

export interface LedgerQuery extends Pick<ArchivedBatchQuery, 'occurredFrom' | 'occurredTo' | 'direction' | 'limit'> {
  readonly at: ArchivePlace | null;
}

/** A ledger of batches. */
export interface CellLedger {
  readonly name: string;
  readonly db: Database;
  /** Whether it was the only database, before it got its name as a cell. Cursors of then name no cell. */
  readonly wasOnly?: boolean;
}

/**
 * A place of a cursor, with the name that its cell has here. While the only database gets its name, apis with and without the
 * name answer in turn.
 */
export function placeHere<T extends { readonly cell: string }>(ledgers: readonly CellLedger[], place: T): T {
  const [only, ...others] = ledgers;
  if (only?.name === '' && others.length === 0) return { ...place, cell: '' };
  return place.cell === '' ? { ...place, cell: ledgers.find(({ wasOnly }) => wasOnly)?.name ?? '' } : place;
}

const [leastId, greatestId] = ['0', '9223372036854775807'];

/** The next batches of all cells: by hour or day, then by the name of the cell, then by number. */
export async function listOverCells(cells: readonly CellLedger[], query: LedgerQuery): Promise<PlacedBatch[]> {
  const lists = await Promise.all(
    cells.map(async ({ name, db }) => {
      const at = query.at && placeInCell(query.at, name, query.direction);
      const batches = await listArchivedBatches(db, { ...query, destination, at });
      return batches.map((batch) => ({ ...batch, cell: name }));
    }),
  );
  const sign = query.direction === 'asc' ? 1 : -1;
  return lists
    .flat()
    .sort((a, b) => sign * comparePlaces(a, b))
    .slice(0, query.limit);
}

/** Where a cell's own list goes on. Its batches of the same partition come all before or all after those of another cell. */
function placeInCell({ partition, cell, batchId }: ArchivePlace, name: string, direction: 'asc' | 'desc'): BatchPlace {
  const order = compareTexts(name, cell);
  if (order === 0) return { partition, batchId };
  // A cursor of a database that nobody names here: its partition is read again, so that no event is left out.
  const isPassed = cell !== '' && (direction === 'asc' ? order < 0 : order > 0);
  const first = direction === 'asc' ? leastId : greatestId;
  return { partition, batchId: isPassed ? (first === leastId ? greatestId : leastId) : first };
}

function comparePlaces(a: PlacedBatch, b: PlacedBatch): number {
  const byText = compareTexts(a.partition, b.partition) || compareTexts(a.cell, b.cell);
  return byText || Number(BigInt(a.batchId) - BigInt(b.batchId));
}

/** A batch of a list in the order of time. */
export type PlacedTimedBatch = TimedBatch & { readonly cell: string };

/** Batches that are looked up at once. */
const batchesAtOnce = 50;

/** The batches of all cells that may have events of a range, day after day, by the time of their first event. */
export async function* listByTime(
  ledgers: readonly CellLedger[],
  times: EventTimes,
): AsyncGenerator<PlacedTimedBatch, void> {
  let from: string = times.from;
  while (from <= times.to) {
    const range = { from, to: times.to };
    const days = await Promise.all(ledgers.map(({ db }) => findArchivedDay(db, destination, range)));
    const [day] = days.filter((one) => one !== null).sort();
    if (day === undefined) return;
    let after: PlacedTimedBatch | null = null;
    for (;;) {
      const batches: readonly PlacedTimedBatch[] = await listDay(ledgers, day, times, after);
      yield* batches;
      if (batches.length < batchesAtOnce) break;
      after = batches.at(-1) ?? null;
    }
    from = `${dayAfter(day)}T00:00:00.000000Z`;
  }
}

async function listDay(
  ledgers: readonly CellLedger[],
  day: string,
  times: EventTimes,
  after: PlacedTimedBatch | null,
): Promise<PlacedTimedBatch[]> {
  const lists = await Promise.all(
    ledgers.map(async ({ name, db }) => {
      const place = after && {
        firstOccurredAt: after.firstOccurredAt,
        batchId: name === after.cell ? after.batchId : compareTexts(name, after.cell) < 0 ? greatestId : leastId,
      };
      const batches = await listBatchesOfDay(db, { destination, day, times, after: place, limit: batchesAtOnce });
      return batches.map((batch) => ({ ...batch, cell: name }));
    }),
  );
  return lists
    .flat()
    .sort(
      (a, b) =>
        compareTexts(a.firstOccurredAt, b.firstOccurredAt) ||
        compareTexts(a.cell, b.cell) ||
        Number(BigInt(a.batchId) - BigInt(b.batchId)),
    )
    .slice(0, batchesAtOnce);
}

function dayAfter(day: string): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + 86_400_000).toISOString().slice(0, 10);
}

/** A line of an object. */
export interface LineRef {
  readonly cell: string;
  readonly batchId: string;
  readonly line: number;
}

/** The object of each batch that is in the archive. */
export async function findObjects(
  ledgers: readonly CellLedger[],
  refs: readonly LineRef[],
): Promise<{ readonly object: ArchivedObject; readonly cell: string; readonly batchId: string }[]> {
  const found = await Promise.all(
    ledgers.map(async ({ name, db }) => {
      const ids = [...new Set(refs.filter(({ cell }) => cell === name).map(({ batchId }) => batchId))];
      const objects = ids.length === 0 ? new Map() : await findArchivedObjects(db, destination, ids);
      return Array.from(objects, ([batchId, object]) => ({ object, cell: name, batchId }));
    }),
  );
  return found.flat();
}
