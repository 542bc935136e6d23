import { printCellMark, readCellMark } from '../cells/cell-mark.ts';
import { defaultSchema } from '../database/schema-name.ts';
import { withOwner } from './copy-to-cell.ts';
import { MigrationError } from './migration-error.ts';

/**
 * Writes the name of a cell into its database. False if the schema has a comment of somebody else, which stays. Throws
 * MigrationError if the database is another cell already.
 *
 * Caller: `npm run migrate` with DATABASE_CELLS.
 * Locks: the migrators' lock, and the schema's row.
 * Crash: the name is written or not; the next call continues.
 */
export async function markCell(
  { name, url }: { readonly name: string; readonly url: string },
  schema = defaultSchema,
): Promise<boolean> {
  return withOwner(url, schema, async (tx) => {
    const [row] = await tx<[{ comment: string | null }]>`
      select obj_description('auditbox'::regnamespace, 'pg_namespace') as comment`;
    const known = readCellMark(row.comment);
    if (known === name) return true;
    if (known !== null)
      throw new MigrationError(
        `The database of the cell ${name} is the cell ${known} already. A cell keeps its name for ever, because the name decides which events it has. A copy of it cannot be another cell of the same list. If this is a copy for other apis, run \`comment on schema ${schema} is null\` there.`,
      );
    if (row.comment !== null) return false;
    // The name has no quotes: its form was checked.
    await tx.unsafe(`comment on schema auditbox is '${printCellMark(name)}'`);
    return true;
  });
}
