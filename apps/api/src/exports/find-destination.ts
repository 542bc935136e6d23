import { listDestinations } from '@auditbox/db/export/destinations.ts';
import type { Cell } from '../cells/cell.ts';
import { ofEachCell } from '../cells/of-each-cell.ts';
import { HttpProblem } from '../http/problem.ts';

/** Names a destination, and the cell that has it. */
export interface DestinationPlace {
  readonly destination: string;
  /** Undefined: of every cell. */
  readonly cell: string | undefined;
}

/** The cells that have the destination. Throws a 404 that names the destinations that there are. */
export async function findDestination(
  cells: readonly Cell[],
  { destination, cell }: DestinationPlace,
): Promise<readonly Cell[]> {
  const known = await ofEachCell(cells, ({ changesDb }) => listDestinations(changesDb));
  const names = known.filter((one) => one.name === destination).map((one) => one.cell);
  const found = cells.filter(({ name }) => names.includes(name) && (cell === undefined || cell === name));
  if (found.length > 0) return found;
  const list = known.map((one) => (one.cell === '' ? one.name : `${one.name} of the cell ${one.cell}`)).join(', ');
  throw new HttpProblem(
    404,
    `There is no such destination. ${list === '' ? 'No exporter has added one yet.' : `There are: ${list}.`}`,
  );
}
