import type { Database } from '@auditbox/db/database/connect.ts';
import { expectedTriggers } from '@auditbox/db/doctor/expected-schema.ts';
import { findIdleTriggers, type IdleTrigger } from '@auditbox/db/doctor/find-drift.ts';
import { listOverrides, readDurability } from '@auditbox/db/doctor/server-settings.ts';
import { type Finding, fails, listSome, works } from '../finding.ts';
import type { Check } from './check.ts';

const what = 'triggers';
const consequence =
  'Without audit_log_to_outbox, events are stored but never exported. Without the others, the record can be changed.';

/** Whether the triggers fire that make the record append-only and fill the outbox. */
export const triggers: Check = {
  what,
  async run(db) {
    const skipped = await findSkipped(db);
    if (skipped !== null) return skipped;
    const idle = await findIdleTriggers(db, expectedTriggers);
    if (idle.length === 0) return works(what, 'The triggers of audit_log and its partitions exist and are enabled.');
    const says = listSome(idle.map(({ table, trigger, problem }) => `${trigger} on ${table} is ${problem}`));
    return fails(what, `${says}. ${consequence}`, { advice: describeRemedy(idle) });
  },
};

/** Ordinary triggers do not fire in sessions with session_replication_role = replica. */
async function findSkipped(db: Database): Promise<Finding | null> {
  const overrides = await listOverrides(db, 'session_replication_role');
  const skipping = overrides.filter(({ value }) => value === 'replica').map(({ statement }) => statement);
  const { replicationRole } = await readDurability(db);
  if (skipping.length === 0 && replicationRole !== 'replica') return null;
  const by = skipping.length === 0 ? '' : ` by ${listSome(skipping.map((statement) => `\`${statement}\``))}`;
  const resets = skipping.map((statement) => `\`${statement} reset session_replication_role\``);
  return fails(what, `session_replication_role is replica${by}: no trigger fires. ${consequence}`, {
    advice: `Run ${listSome(resets) || '`alter system reset session_replication_role` and `select pg_reload_conf()`'}.`,
  });
}

function describeRemedy(idle: readonly IdleTrigger[]): string {
  const disabled = idle.filter(({ problem }) => problem === 'disabled');
  if (disabled.length === 0) return 'Run their statements in drizzle/ again.';
  const enable = disabled.map(({ table, trigger }) => `\`alter table ${table} enable trigger ${trigger}\``);
  const others = disabled.length < idle.length ? ' Run the statements of the missing ones in drizzle/ again.' : '';
  return `As the owner of the tables, run ${listSome(enable)}.${others}`;
}
