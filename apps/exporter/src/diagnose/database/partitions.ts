import { databaseTime } from '@auditbox/db/database/database-time.ts';
import { listPartitions } from '@auditbox/db/doctor/list-tables.ts';
import { listUpcomingMonths, toMonth } from '@auditbox/db/months/make-months.ts';
import { fails, works } from '../finding.ts';
import type { Look } from './look.ts';

const what = 'partitions';

/** Whether this month and the next ones have a partition of audit_log, and nothing is in the way of later ones. */
export const partitions: Look = {
  what,
  async find(db) {
    const there = await listPartitions(db);
    const byDefault = there.find(({ isDefault }) => isDefault);
    if (byDefault) {
      const advice = `No code of Auditbox's makes one: move its rows to their months by \`insert\`, then \`alter table audit_log detach partition ${byDefault.name}\`.`;
      return fails(what, `${byDefault.name} is a DEFAULT partition: a month that it has rows of can get none.`, {
        advice,
      });
    }
    const missing = await missingMonths(there, new Date(await databaseTime(db)));
    if (missing.length === 0) return works(what, `There are ${there.length}, with those of the next months.`);
    const advice = '`npm run migrate` makes them, and so does a running exporter, every hour: is there one?';
    return fails(what, `audit_log has no partition for ${missing.join(', ')}.`, { advice });
  },
};

/** The last one is not missed: at the turn of a month it comes within the hour. */
async function missingMonths(there: readonly { name: string }[], now: Date): Promise<string[]> {
  const months = listUpcomingMonths(now).slice(0, -1).map(toMonth);
  return months.filter((month) => !there.some(({ name }) => name === `audit_log_${month.replace('-', '_')}`));
}
