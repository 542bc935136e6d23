import { parseDatabaseUrl } from '../database-url.ts';
import { DatabaseUrlError } from '../database-url-parameters.ts';
import { acceptedSchemaNames, schemaNameForm } from '../schema-name.ts';

/** A cell as a list has it: one of several databases behind an api. */
export interface CellEntry {
  /** Part of what decides which events the cell stores, so a cell keeps its name for ever. */
  readonly name: string;
  readonly url: string;
  /** Null: the schema that DATABASE_SCHEMA names. */
  readonly schema: string | null;
  /** False: the api only reads it, because services write to it by themselves, or because it gets no new events any more. */
  readonly takesEvents: boolean;
}

/** Where a cell is. */
export interface CellAddress extends CellEntry {
  readonly schema: string;
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

/**
 * Reads `name=url`, separated by blanks or line breaks. Behind a name, `@schema` names the schema of the cell, and `:read` says that
 * the api only reads it. The schema is not a part of the URL: Prisma's `?schema=` has no effect here, and a file `.env` ends a value
 * without quotes at a `#`. Throws CellListError, which names the wrong entry.
 */
export function parseCells(text: string): readonly CellEntry[] {
  const entries = text.split(/\s+/).filter((entry) => entry !== '');
  if (entries.length === 0) throw new CellListError('it names no cell.');
  if (entries.length > maxCells) throw new CellListError(`it has ${entries.length} cells; at most ${maxCells} work.`);
  const cells = entries.map((entry, index) => parseCell(entry, index + 1));
  const twice = cells.find(({ name }, index) => cells.findIndex((other) => other.name === name) < index);
  if (twice) throw new CellListError(`it has two cells with the name ${twice.name}.`);
  if (!cells.some(({ takesEvents }) => takesEvents)) throw new CellListError('no cell takes events; each has `:read`.');
  return cells;
}

/**
 * Gives each cell without a schema `schema`, which is DATABASE_SCHEMA. Throws CellListError if two cells are in one schema of one
 * database.
 */
export function placeCells(entries: readonly CellEntry[], schema: string): readonly CellAddress[] {
  const cells = entries.map((entry) => ({ ...entry, schema: entry.schema ?? schema }));
  for (const [index, cell] of cells.entries()) {
    const same = cells.slice(0, index).find((other) => isSamePlace(other, cell));
    if (same)
      throw new CellListError(
        `the cells ${same.name} and ${cell.name} are the same database and schema. For a cell in another schema write name@schema=url.`,
      );
  }
  return cells;
}

function parseCell(entry: string, number: number): CellEntry {
  const end = entry.indexOf('=');
  if (end === -1)
    throw new CellListError(`entry ${number} has no \`=\` behind its name; write name=postgres://host/database.`);
  const [place = '', mode, ...others] = entry.slice(0, end).split(':');
  const [name = '', ...schemas] = place.split('@');
  // An entry that begins with a URL has a password in front of its first `=`.
  if (!nameForm.test(name) || entry.slice(0, end).includes('/'))
    throw new CellListError(
      `entry ${number} has no valid name; a name is 1 to 32 lower-case letters, digits and -, and begins with a letter.`,
    );
  // Below too, the entry may be a part of a URL with a blank in its password.
  if (others.length > 0 || (mode !== undefined && mode !== 'read'))
    throw new CellListError(
      `entry ${number} has something else than \`:read\` behind its name. With a schema it is name@schema:read=url.`,
    );
  const schema = schemas.length === 0 ? null : schemas.join('@');
  if (schema !== null && !schemaNameForm.test(schema))
    throw new CellListError(`entry ${number} has no valid schema behind its \`@\`; it must be ${acceptedSchemaNames}.`);
  const url = entry.slice(end + 1);
  try {
    parseDatabaseUrl(url);
  } catch (error) {
    if (error instanceof DatabaseUrlError) throw new CellListError(`the URL of the cell ${name}: ${error.message}`);
    throw error;
  }
  return { name, url, schema, takesEvents: mode === undefined };
}

type Place = Pick<CellAddress, 'url' | 'schema'>;

/** Whether two URLs lead to the same schema of the same database, whatever their logins are. */
export function isSamePlace(one: Place, other: Place): boolean {
  return describePlace(one) === describePlace(other);
}

/** Servers, database and schema, without login. Without a database in the URL it is the one that has the name of the login. */
function describePlace({ url, schema }: Place): string {
  const { servers, socket, user, database } = parseDatabaseUrl(url);
  const hosts = servers.map(({ host, port }) => [host.toLowerCase(), port]);
  return JSON.stringify([hosts, socket, database ?? user, schema]);
}

/**
 * Reads the lists that cells had before, oldest first: names separated by blanks, lists separated by `;`. `cells` are the
 * cells of now. Throws CellListError.
 */
export function parseFormerCells(text: string, cells: readonly CellEntry[]): readonly (readonly string[])[] {
  const known = new Set(cells.map(({ name }) => name));
  const lists = text.split(';').map((list) => list.split(/\s+/).filter((name) => name !== ''));
  if (lists.some((list) => list.length === 0)) throw new CellListError('it has an empty list.');
  const unknown = lists.flat().find((name) => !known.has(name));
  if (unknown === undefined) return lists;
  throw new CellListError(
    nameForm.test(unknown)
      ? `the cell ${unknown} is not in DATABASE_CELLS. A cell stays there while its events are kept.`
      : 'it must hold names of cells, without schemas and URLs.',
  );
}
