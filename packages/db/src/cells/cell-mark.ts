import { cellNamePattern } from '@auditbox/core/cells/cell-list.ts';

/*
 * The name of a cell, in its database: as the comment of the schema. `npm run migrate` with DATABASE_CELLS writes it, and
 * processes that know their database by a name compare. Under another name an id would be looked up where it was not stored.
 */

const form = new RegExp(`^Auditbox: the cell (${cellNamePattern})$`);

export function printCellMark(name: string): string {
  return `Auditbox: the cell ${name}`;
}

/** Null for a comment that somebody else wrote, and for no comment. */
export function readCellMark(comment: string | null): string | null {
  return form.exec(comment ?? '')?.[1] ?? null;
}
