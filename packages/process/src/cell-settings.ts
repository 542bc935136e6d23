import {
  type CellAddress,
  type CellEntry,
  CellListError,
  isSamePlace,
  parseCells,
  parseFormerCells,
  placeCells,
} from '@auditbox/core/cells/cell-list.ts';
import { z } from 'zod';
import { commonSettings } from './common-settings.ts';
import { optional, type Relation, type Setting, textOf } from './settings.ts';

const cells: Setting<readonly CellEntry[]> = {
  schema: z.string().transform((text, context) => {
    try {
      return parseCells(text);
    } catch (error) {
      context.addIssue((error as Error).message);
      return z.NEVER;
    }
  }) as unknown as Setting<readonly CellEntry[]>['schema'],
  accepts: 'name=url, name@schema=url, name:read=url or name@schema:read=url, separated by blanks',
  meaning:
    'Several databases behind one api, instead of DATABASE_URL; see docs/SCALE.md. `@schema` behind a name: the schema of this cell, instead of DATABASE_SCHEMA. `:read`: the cell gets no events of the api.',
  fallback: 'one database',
  secret: true,
  explain: (text) => explain(() => parseCells(text)),
};

function explain(parse: () => unknown): string | null {
  try {
    parse();
    return null;
  } catch (error) {
    if (error instanceof CellListError) return error.message;
    throw error;
  }
}

/** The settings of processes that work with all cells. */
export const cellSettings = {
  DATABASE_URL: optional(commonSettings.DATABASE_URL),
  DATABASE_SCHEMA: commonSettings.DATABASE_SCHEMA,
  DATABASE_CELLS: optional(cells),
  DATABASE_CELLS_BEFORE: optional(
    textOf(/\S/, 'lists of names of cells, separated by ;', {
      meaning:
        'The lists of cells before DATABASE_CELLS changed, oldest first. An id is looked up where it was stored by them.',
      fallbackShown: 'none',
    }),
  ),
} as const;

/** The cell of a process that works with one. */
export const cellName = optional(
  textOf(/^[a-z][a-z0-9-]{0,31}$/, '1 to 32 lower-case letters, digits and -', {
    meaning:
      'The name of the cell of DATABASE_URL in DATABASE_CELLS of the api. Keys begin with S3_PREFIX and `cell=NAME/`, and metrics have the label `cell`.',
    fallbackShown: 'none',
  }),
);

/** The conditions between them. */
export const cellRelations: readonly Relation<typeof cellSettings>[] = [
  {
    between: ['DATABASE_URL', 'DATABASE_CELLS', 'DATABASE_SCHEMA'],
    problem: ({ DATABASE_URL: url, DATABASE_CELLS: list, DATABASE_SCHEMA: schema }) => {
      if (url === undefined && list === undefined)
        return `DATABASE_URL is not set; it must be ${commonSettings.DATABASE_URL.accepts}.`;
      if (url === undefined || list === undefined) return null;
      // Otherwise the events of DATABASE_URL would vanish from every list.
      const isCell = (cell: CellEntry) => isSamePlace({ ...cell, schema: cell.schema ?? schema }, { url, schema });
      return !list.some(isCell)
        ? 'DATABASE_URL and DATABASE_CELLS are both set, and no cell is the database of DATABASE_URL with the schema of DATABASE_SCHEMA; unset DATABASE_URL, or make it a cell.'
        : null;
    },
  },
  {
    between: ['DATABASE_CELLS', 'DATABASE_SCHEMA'],
    problem: ({ DATABASE_CELLS: list, DATABASE_SCHEMA: schema }) => {
      const why = list === undefined ? null : explain(() => placeCells(list, schema));
      return why === null ? null : `DATABASE_CELLS: ${why}`;
    },
  },
  {
    between: ['DATABASE_CELLS', 'DATABASE_CELLS_BEFORE'],
    problem: ({ DATABASE_CELLS: list, DATABASE_CELLS_BEFORE: before }) => {
      if (before === undefined) return null;
      if (list === undefined) return 'DATABASE_CELLS_BEFORE is set without DATABASE_CELLS.';
      const why = explain(() => parseFormerCells(before, list));
      return why === null ? null : `DATABASE_CELLS_BEFORE: ${why}`;
    },
  },
];

/** The database of a process, or its cells. */
export type DatabasePlaces =
  | { readonly kind: 'one'; readonly url: string; readonly schema: string }
  | {
      readonly kind: 'cells';
      readonly cells: readonly CellAddress[];
      /** Names, oldest list first. */
      readonly before: readonly (readonly string[])[];
    };

/** The settings as one value. They passed `cellRelations`. */
export function nestCells(values: {
  readonly DATABASE_URL: string | undefined;
  readonly DATABASE_SCHEMA: string;
  readonly DATABASE_CELLS: readonly CellEntry[] | undefined;
  readonly DATABASE_CELLS_BEFORE: string | undefined;
}): DatabasePlaces {
  const { DATABASE_URL: url = '', DATABASE_SCHEMA: schema, DATABASE_CELLS: list } = values;
  const before = values.DATABASE_CELLS_BEFORE;
  if (list === undefined) return Object.freeze({ kind: 'one', url, schema });
  return Object.freeze({
    kind: 'cells',
    cells: placeCells(list, schema),
    before: before === undefined ? [] : parseFormerCells(before, list),
  });
}
