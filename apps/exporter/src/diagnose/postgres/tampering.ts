import { findTampering } from '@auditbox/db/doctor/find-tampering.ts';
import { findWrongRights } from '@auditbox/db/doctor/find-wrong-rights.ts';
import { fails, listSome, works } from '../finding.ts';
import type { Check } from './check.ts';

const what = 'tampering';

/** Whether functions, rights, months and sequences are as the migrations made them. */
export function tampering(schema: string): Check {
  return {
    what,
    async run(db) {
      const found = [...(await findTampering(db, schema)), ...(await findWrongRights(db))];
      if (found.length === 0)
        return works(what, 'Functions, rights, months and sequences are as the migrations made them.');
      const remedies = found.flatMap(({ remedy }) => (remedy === null ? [] : [`\`${remedy}\``]));
      const advice = describeRemedy(remedies, remedies.length < found.length);
      return fails(what, `${listSome(found.map(({ says }) => says))}.`, { advice });
    },
  };
}

function describeRemedy(remedies: readonly string[], hasOthers: boolean): string {
  if (remedies.length === 0) return 'As the owner of the tables, run their statements in drizzle/ again.';
  const others = hasOthers ? ' Run the statements of the others in drizzle/ again.' : '';
  return `As the owner of the tables, run ${listSome(remedies, '; ')}.${others}`;
}
