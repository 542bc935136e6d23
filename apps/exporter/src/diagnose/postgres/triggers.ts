import { expectedTriggers } from '@auditbox/db/doctor/expected-schema.ts';
import { findIdleTriggers, type IdleTrigger } from '@auditbox/db/doctor/find-drift.ts';
import { fails, listSome, works } from '../finding.ts';
import type { Check } from './check.ts';

const what = 'triggers';
const consequence =
  'Without audit_log_to_outbox, events wait until the reconciliation finds them. Without the others, what was recorded can be changed.';

/** Whether the triggers fire, in every session, that fill the outbox and keep what is recorded. */
export const triggers: Check = {
  what,
  async run(db) {
    const idle = await findIdleTriggers(db, expectedTriggers);
    if (idle.length === 0) return works(what, 'The triggers of the tables and months exist and are enabled always.');
    const says = listSome(idle.map(({ table, trigger, problem }) => `${trigger} on ${table} is ${problem}`));
    return fails(what, `${says}. ${consequence}`, { advice: describeRemedy(idle) });
  },
};

function describeRemedy(idle: readonly IdleTrigger[]): string {
  const remedies = idle.flatMap(({ remedy }) => (remedy === null ? [] : [`\`${remedy}\``]));
  if (remedies.length === 0) return 'Run their statements in drizzle/ again.';
  const others = remedies.length < idle.length ? ' Run the statements of the missing ones in drizzle/ again.' : '';
  return `As the owner of the tables, run ${listSome(remedies)}.${others}`;
}
