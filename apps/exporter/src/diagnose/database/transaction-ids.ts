import { expectedTables } from '@auditbox/db/doctor/expected-schema.ts';
import { listTables } from '@auditbox/db/doctor/list-tables.ts';
import { fails, works } from '../finding.ts';
import { someOf } from '../some-of.ts';
import type { Look } from './look.ts';

const what = 'transaction ids';

/** At its bound a table is about to be frozen; well beyond it, something keeps that from happening. */
const timesTheBound = 1.1;

/** Whether our tables' rows are frozen in time: at two thousand million transactions Postgres takes no more writes. */
export const transactionIds: Look = {
  what,
  async find(db) {
    const tables = await listTables(
      db,
      expectedTables.map(({ name }) => name),
    );
    const old = tables.filter(({ age, maxAge }) => age > timesTheBound * maxAge).map(({ name }) => name);
    const oldest = Math.max(0, ...tables.map(({ age }) => age));
    if (old.length === 0) return works(what, `The oldest row that is not frozen is ${oldest} transactions old.`);
    const says = `${someOf(old)}: rows are up to ${oldest} transactions old and not frozen. Postgres stops taking writes at 2,000,000,000.`;
    const advice = `End what holds them (see old transactions), then run ${someOf(old.map((name) => `\`vacuum (freeze, verbose) ${name}\``))}.`;
    return fails(what, says, { advice });
  },
};
