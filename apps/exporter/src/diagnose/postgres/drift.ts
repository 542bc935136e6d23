import { expectedTables } from '@auditbox/db/doctor/expected-schema.ts';
import { findDrift } from '@auditbox/db/doctor/find-drift.ts';
import { fails, listSome, works } from '../finding.ts';
import type { Check } from './check.ts';

const remake =
  'Run `npm run migrate`. If that reports an up-to-date schema, someone changed it: as the owner of the tables, run the statement in drizzle/ again.';

/** Whether tables, columns, indexes and checks are those that this version expects. */
export const drift: Check = {
  what: 'tables',
  async run(db) {
    const found = await findDrift(db, expectedTables);
    if (found.length === 0) return works('tables', 'Tables, columns, indexes and checks are as they should be.');
    const says = `${listSome(found.map(({ kind, name, problem }) => `${kind} ${name} is ${problem}`))}.`;
    const broken = found.filter(({ kind, problem }) => kind === 'index' && problem === 'invalid');
    const rebuild = listSome(broken.map(({ name }) => `\`reindex index concurrently ${name}\``));
    const advice = [broken.length < found.length ? remake : '', rebuild && `Run ${rebuild}.`].filter(Boolean).join(' ');
    return fails('tables', says, { advice });
  },
};
