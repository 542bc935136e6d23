/** What must be the same in all cells is not. The message is for the operator, and names the cells. */
export class CellsDifferError extends Error {
  override readonly name = 'CellsDifferError';
  readonly code = 'CELLS_DIFFER';
}
