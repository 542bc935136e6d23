import { expectedTables } from '@auditbox/db/doctor/expected-schema.ts';
import { findDrift } from '@auditbox/db/doctor/find-drift.ts';
import { fails, works } from '../finding.ts';
import { someOf } from '../some-of.ts';
import type { Look } from './look.ts';

const remake =
  "Run `npm run migrate`. Where the schema is up to date already, somebody changed it: make it again by its statement in drizzle/, as the tables' owner.";

/** Whether tables, columns, indexes and checks are those that this version was written for. */
export const drift: Look = {
  what: 'tables',
  async find(db) {
    const found = await findDrift(db, expectedTables);
    if (found.length === 0) return works('tables', 'Tables, columns, indexes and checks are as they should be.');
    const says = `${someOf(found.map(({ kind, name, problem }) => `${kind} ${name} is ${problem}`))}.`;
    const broken = found.filter(({ kind, problem }) => kind === 'index' && problem === 'invalid');
    const rebuild = someOf(broken.map(({ name }) => `\`reindex index concurrently ${name}\``));
    const advice = [broken.length < found.length ? remake : '', rebuild && `Run ${rebuild}.`].filter(Boolean).join(' ');
    return fails('tables', says, { advice });
  },
};
