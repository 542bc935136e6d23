import type { Database } from '@auditbox/db/database/connect.ts';
import { expectedTriggers } from '@auditbox/db/doctor/expected-schema.ts';
import { findIdleTriggers, type IdleTrigger } from '@auditbox/db/doctor/find-drift.ts';
import { listOverrides, readDurability } from '@auditbox/db/doctor/server-settings.ts';
import { type Finding, fails, works } from '../finding.ts';
import { someOf } from '../some-of.ts';
import type { Look } from './look.ts';

const what = 'triggers';
const consequence =
  'Without audit_log_to_outbox, events are stored and never exported; without the others, the record can be changed.';

/** Whether the triggers that make the record append-only, and fill the outbox, fire. */
export const triggers: Look = {
  what,
  async find(db) {
    const skipping = await whatSkipsTriggers(db);
    if (skipping !== null) return skipping;
    const idle = await findIdleTriggers(db, expectedTriggers);
    if (idle.length === 0) return works(what, 'Those of audit_log and of its partitions are there and enabled.');
    const says = someOf(idle.map(({ table, trigger, problem }) => `${trigger} on ${table} is ${problem}`));
    return fails(what, `${says}. ${consequence}`, { advice: remedy(idle) });
  },
};

/** In sessions with session_replication_role = replica, as a copy's are, ordinary triggers do not fire. */
async function whatSkipsTriggers(db: Database): Promise<Finding | null> {
  const overrides = await listOverrides(db, 'session_replication_role');
  const skipping = overrides.filter(({ value }) => value === 'replica').map(({ statement }) => statement);
  const { replicationRole } = await readDurability(db);
  if (skipping.length === 0 && replicationRole !== 'replica') return null;
  const by = skipping.length === 0 ? '' : ` by ${someOf(skipping.map((statement) => `\`${statement}\``))}`;
  const resets = skipping.map((statement) => `\`${statement} reset session_replication_role\``);
  return fails(what, `session_replication_role is replica${by}: no trigger fires. ${consequence}`, {
    advice: `Run ${someOf(resets) || '`alter system reset session_replication_role` and `select pg_reload_conf()`'}.`,
  });
}

function remedy(idle: readonly IdleTrigger[]): string {
  const disabled = idle.filter(({ problem }) => problem === 'disabled');
  if (disabled.length === 0) return 'Make them again by their statements in drizzle/.';
  const enable = disabled.map(({ table, trigger }) => `\`alter table ${table} enable trigger ${trigger}\``);
  const others = disabled.length < idle.length ? ' Make the missing ones again by their statements in drizzle/.' : '';
  return `As the tables' owner run ${someOf(enable)}.${others}`;
}
