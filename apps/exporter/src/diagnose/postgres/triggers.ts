import { type ExpectedTrigger, expectedTriggers } from '@auditbox/db/doctor/expected-schema.ts';
import { findWrongTriggers, type WrongTrigger } from '@auditbox/db/doctor/find-drift.ts';
import { type Finding, fails, listSome, works } from '../finding.ts';
import type { Check } from './check.ts';

const what = 'triggers';
const consequence =
  'Without audit_log_to_outbox, events wait until the reconciliation finds them. Without the others, what was recorded can be changed.';

/** Whether the triggers that fill the outbox and keep what is recorded fire in every session and do what they should. */
export const triggers: Check = {
  what,
  run: async (db) => judge(await findWrongTriggers(db, expectedTriggers)),
};

/** The same of the tables that have the rows, at the node of Citus that has them. */
export function triggersOfShards(expected: readonly ExpectedTrigger[]): Check {
  return { what, run: async (db) => judge(await findWrongTriggers(db, expected, { eachMonth: false })) };
}

function judge(wrong: readonly WrongTrigger[]): Finding {
  if (wrong.length === 0)
    return works(what, 'The triggers of the tables and months exist, are enabled always and do what they should.');
  const says = listSome(wrong.map(({ table, trigger, problem }) => `${trigger} on ${table} is ${problem}`));
  return fails(what, `${says}. ${consequence}`, { advice: describeRemedy(wrong) });
}

function describeRemedy(wrong: readonly WrongTrigger[]): string {
  const remedies = wrong.flatMap(({ remedy }) => (remedy === null ? [] : [`\`${remedy}\``]));
  if (remedies.length === 0) return 'Run their statements in drizzle/ again.';
  const others = remedies.length < wrong.length ? ' Run the statements of the others in drizzle/ again.' : '';
  return `As the owner of the tables, run ${listSome(remedies)}.${others}`;
}
