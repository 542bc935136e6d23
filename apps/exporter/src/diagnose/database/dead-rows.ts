import { expectedTables } from '@auditbox/db/doctor/expected-schema.ts';
import { listTables, type TableUpkeep } from '@auditbox/db/doctor/list-tables.ts';
import { fails, works } from '../finding.ts';
import { someOf } from '../some-of.ts';
import type { Look } from './look.ts';

const what = 'dead rows';

/** Autovacuum may be minutes late, and small tables do not matter. */
const timesTheBound = 5;
const fewestDeadRows = 10_000;

/** Whether vacuum keeps up with what is updated and deleted. */
export const deadRows: Look = {
  what,
  async find(db) {
    const tables = await listTables(
      db,
      expectedTables.map(({ name }) => name),
    );
    const full = tables.filter(
      (table) => table.deadRows > Math.max(fewestDeadRows, timesTheBound * table.deadRowsBound),
    );
    if (full.length === 0) return works(what, 'There are no more than vacuum leaves between its rounds.');
    const advice = `End what holds them (see old transactions), see that autovacuum is on, then run ${someOf(full.map(({ name }) => `\`vacuum (verbose) ${name}\``))}.`;
    return fails(what, `${someOf(full.map(inWords))}.`, { advice });
  },
};

function inWords({ name, deadRows: dead, lastAutovacuum }: TableUpkeep): string {
  return `${name} has ${dead} dead rows; its last autovacuum was ${lastAutovacuum ?? 'never'}`;
}
