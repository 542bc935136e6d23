import { expectedTables } from '@auditbox/db/doctor/expected-schema.ts';
import { listTables } from '@auditbox/db/doctor/list-tables.ts';
import { readAutovacuum } from '@auditbox/db/doctor/server-settings.ts';
import { fails, works } from '../finding.ts';
import { someOf } from '../some-of.ts';
import type { Look } from './look.ts';

const what = 'autovacuum';

/** Whether our tables are vacuumed without anybody's doing. */
export const autovacuum: Look = {
  what,
  async find(db) {
    const settings = await readAutovacuum(db);
    const off = [settings.autovacuum ? '' : 'autovacuum', settings.trackCounts ? '' : 'track_counts'].filter(Boolean);
    if (off.length > 0) {
      const says = `${off.join(' and ')} is off for the whole server: dead rows stay, and every poll's work grows.`;
      const advice = `Run ${off.map((name) => `\`alter system set ${name} = on\``).join(', ')} and \`select pg_reload_conf()\`.`;
      return fails(what, says, { advice });
    }
    const tables = await listTables(
      db,
      expectedTables.map(({ name }) => name),
    );
    const without = tables.filter((table) => !table.autovacuum).map(({ name }) => name);
    if (without.length === 0) return works(what, 'It is on, for each of the tables too.');
    const advice = `Run ${someOf(without.map((name) => `\`alter table ${name} reset (autovacuum_enabled)\``))}.`;
    return fails(what, `It is off for ${someOf(without)}: dead rows stay there.`, { advice });
  },
};
