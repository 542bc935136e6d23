import { archiveDestination as destination } from '@auditbox/core/export/archive-destination.ts';
import {
  type ArchivedBatch,
  type ArchivedBatchQuery,
  type BatchPlace,
  listArchivedBatches,
} from '@auditbox/db/archive/list-archived-batches.ts';
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
  const isPassed = direction === 'asc' ? order < 0 : order > 0;
  const first = direction === 'asc' ? leastId : greatestId;
  return { partition, batchId: isPassed ? (first === leastId ? greatestId : leastId) : first };
}

function comparePlaces(a: PlacedBatch, b: PlacedBatch): number {
  const byText = compareTexts(a.partition, b.partition) || compareTexts(a.cell, b.cell);
  return byText || Number(BigInt(a.batchId) - BigInt(b.batchId));
}
