import { readCellMark } from '@auditbox/db/cells/cell-mark.ts';
import { readSchemaComment } from '@auditbox/db/cells/read-schema-comment.ts';
import { fails, works } from '../finding.ts';
import type { Check } from './check.ts';

const what = 'cell name';
const run = 'Run `npm run migrate` with DATABASE_CELLS once.';

/** Whether the database has the name of its cell. Every process refuses a database that has another one. */
export function cellName(name: string, schema: string): Check {
  return {
    what,
    async run(db) {
      const comment = await readSchemaComment(db);
      if (readCellMark(comment) !== null) return works(what, `The database has its name, ${name}.`);
      const advice =
        comment === null
          ? run
          : `The schema has another comment. Keep it elsewhere, run \`comment on schema ${schema} is null\`, and then \`npm run migrate\` with DATABASE_CELLS.`;
      return fails(
        what,
        `The database does not have the name of its cell, ${name}. If settings give two cells each other's names or URLs, nobody notices, and an id may be stored twice.`,
        { advice },
      );
    },
  };
}
