import { databaseTime } from '@auditbox/db/database/database-time.ts';
import { listPartitions } from '@auditbox/db/doctor/list-tables.ts';
import { listUpcomingMonths, toMonth } from '@auditbox/db/months/make-months.ts';
import { fails, works } from '../finding.ts';
import type { Check } from './check.ts';

const what = 'months';

/** Whether audit_log has a partition for this month and the next ones, and nothing prevents later ones. */
export const months: Check = {
  what,
  async run(db) {
    const existing = await listPartitions(db);
    const byDefault = existing.find(({ isDefault }) => isDefault);
    if (byDefault) {
      const says = `${byDefault.name} is a DEFAULT partition. A month whose rows it holds cannot get a partition.`;
      const advice = `Auditbox makes no DEFAULT partition. Move its rows to their months by \`insert\`, then run \`${byDefault.detach}\`.`;
      return fails(what, says, { advice });
    }
    const missing = listMissing(existing, new Date(await databaseTime(db)));
    if (missing.length === 0) return works(what, `There are ${existing.length}, those of the next months included.`);
    const advice = 'Run `npm run migrate`. A running exporter makes them every hour: check that one runs.';
    return fails(what, `audit_log has no partition for ${missing.join(', ')}.`, { advice });
  },
};

/** The last month may be missing: at the turn of a month it is made within the hour. */
function listMissing(existing: readonly { name: string }[], now: Date): string[] {
  const needed = listUpcomingMonths(now).slice(0, -1).map(toMonth);
  return needed.filter((month) => !existing.some(({ name }) => name === `audit_log_${month.replace('-', '_')}`));
}
