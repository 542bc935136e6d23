import type { Cell } from './cell.ts';

/** What each cell says of itself, with the name of the cell; the name is empty if there is one database. */
export async function ofEachCell<T extends object>(
  cells: readonly Cell[],
  ask: (cell: Cell) => Promise<readonly T[]>,
): Promise<readonly (T & { readonly cell: string })[]> {
  const answers = await Promise.all(
    cells.map(async (cell) => (await ask(cell)).map((one) => ({ ...one, cell: cell.name }))),
  );
  return answers.flat();
}
