import { expectedTriggers } from '@auditbox/db/doctor/expected-schema.ts';
import { findIdleTriggers, type IdleTrigger } from '@auditbox/db/doctor/find-idle-triggers.ts';
import { readDurability } from '@auditbox/db/doctor/read-durability.ts';
import { fails, works } from '../check/finding.ts';
import type { Look } from './look.ts';
import { someOf } from './some-of.ts';

const what = 'triggers';
const consequence =
  'Without audit_log_to_outbox, events are stored and never exported; without the others, the record can be changed.';

/** Whether the triggers that make the record append-only, and fill the outbox, fire. */
export const triggers: Look = {
  what,
  async find(db) {
    const { replicationRole } = await readDurability(db);
    if (replicationRole === 'replica') {
      const says = `session_replication_role is replica, so that no trigger fires. ${consequence}`;
      return fails(what, says, { advice: 'Reset it where it is set: the role, the database or postgresql.conf.' });
    }
    const idle = await findIdleTriggers(db, expectedTriggers);
    if (idle.length === 0) return works(what, 'Those of audit_log and of its partitions are there and enabled.');
    const says = someOf(idle.map(({ table, trigger, problem }) => `${trigger} on ${table} is ${problem}`));
    return fails(what, `${says}. ${consequence}`, { advice: remedy(idle) });
  },
};

function remedy(idle: readonly IdleTrigger[]): string {
  const disabled = idle.filter(({ problem }) => problem === 'disabled');
  if (disabled.length === 0) return 'Make them again by their statements in drizzle/.';
  const enable = disabled.map(({ table, trigger }) => `\`alter table ${table} enable trigger ${trigger}\``);
  const others = disabled.length < idle.length ? ' Make the missing ones again by their statements in drizzle/.' : '';
  return `As the tables' owner run ${someOf(enable)}.${others}`;
}
