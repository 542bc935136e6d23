import { parseDatabaseUrl } from '../database-url.ts';
import { DatabaseUrlError } from '../database-url-parameters.ts';

/** One of several databases behind an api. */
export interface CellAddress {
  /** Part of what decides which events the cell stores, so a cell keeps its name for ever. */
  readonly name: string;
  readonly url: string;
  /** False: the api only reads it, because services write to it by themselves, or because it gets no new events any more. */
  readonly takesEvents: boolean;
}

/** A list of cells that nobody can use. The message shows no URL, because URLs have passwords. */
export class CellListError extends Error {
  override readonly name = 'CellListError';
  readonly code = 'BAD_CELL_LIST';
}

/** The form of a cell's name, as part of a regular expression. */
export const cellNamePattern = '[a-z][a-z0-9-]{0,31}';
const nameForm = new RegExp(`^${cellNamePattern}$`);
const maxCells = 64;

/** Reads `name=url` or `name:read=url`, separated by blanks or line breaks. Throws CellListError, which names the wrong entry. */
export function parseCells(text: string): readonly CellAddress[] {
  const entries = text.split(/\s+/).filter((entry) => entry !== '');
  if (entries.length === 0) throw new CellListError('it names no cell.');
  if (entries.length > maxCells) throw new CellListError(`it has ${entries.length} cells; at most ${maxCells} work.`);
  const cells = entries.map((entry, index) => parseCell(entry, index + 1));
  const twice = cells.find(({ name }, index) => cells.findIndex((other) => other.name === name) < index);
  if (twice) throw new CellListError(`it has two cells with the name ${twice.name}.`);
  for (const [index, cell] of cells.entries()) {
    const same = cells.slice(0, index).find((other) => placeOf(other) === placeOf(cell));
    if (same) throw new CellListError(`the cells ${same.name} and ${cell.name} are the same database.`);
  }
  if (!cells.some(({ takesEvents }) => takesEvents)) throw new CellListError('no cell takes events; each has `:read`.');
  return cells;
}

function parseCell(entry: string, place: number): CellAddress {
  const end = entry.indexOf('=');
  if (end === -1)
    throw new CellListError(`entry ${place} has no \`=\` behind its name; write name=postgres://host/database.`);
  const [name = '', mode, ...others] = entry.slice(0, end).split(':');
  // An entry that begins with a URL has a password in front of its first `=`.
  if (!nameForm.test(name) || entry.slice(0, end).includes('/'))
    throw new CellListError(
      `entry ${place} has no valid name; a name is 1 to 32 lower-case letters, digits and -, and begins with a letter.`,
    );
  if (others.length > 0 || (mode !== undefined && mode !== 'read'))
    throw new CellListError(`the cell ${name} has something else than \`:read\` behind its name.`);
  const url = entry.slice(end + 1);
  try {
    parseDatabaseUrl(url);
  } catch (error) {
    if (error instanceof DatabaseUrlError) throw new CellListError(`the URL of the cell ${name}: ${error.message}`);
    throw error;
  }
  return { name, url, takesEvents: mode === undefined };
}

/** Whether two URLs lead to the same database, whatever their logins are. */
export function isSameDatabase(url: string, other: string): boolean {
  return placeOf({ url }) === placeOf({ url: other });
}

/** Servers and database, without login. Two schemas of one database are one place: a process has one DATABASE_SCHEMA. */
function placeOf({ url }: Pick<CellAddress, 'url'>): string {
  const { servers, socket, database } = parseDatabaseUrl(url);
  return JSON.stringify([servers, socket, database]);
}

/**
 * Reads the lists that cells had before, oldest first: names separated by blanks, lists separated by `;`. `cells` are the
 * cells of now. Throws CellListError.
 */
export function parseFormerCells(text: string, cells: readonly CellAddress[]): readonly (readonly string[])[] {
  const known = new Set(cells.map(({ name }) => name));
  const lists = text.split(';').map((list) => list.split(/\s+/).filter((name) => name !== ''));
  if (lists.some((list) => list.length === 0)) throw new CellListError('it has an empty list.');
  const unknown = lists.flat().find((name) => !known.has(name));
  if (unknown === undefined) return lists;
  throw new CellListError(
    nameForm.test(unknown)
      ? `the cell ${unknown} is not in DATABASE_CELLS. A cell stays there while its events are kept.`
      : 'it must hold names of cells, without URLs.',
  );
}
