import { listTables, type TableUpkeep } from '@auditbox/db/doctor/list-tables.ts';
import { readAutovacuum } from '@auditbox/db/doctor/server-settings.ts';
import { fails, listSome, works } from '../finding.ts';
import type { Check } from './check.ts';

/** The checks of vacuum, over tables with these names and their months. */
export function vacuumChecks(tables: readonly string[]): readonly Check[] {
  return [autovacuum(tables), deadRows(tables), transactionIds(tables)];
}

/** Whether Postgres vacuums our tables by itself. */
const autovacuum = (names: readonly string[]): Check => ({
  what: 'autovacuum',
  async run(db) {
    const settings = await readAutovacuum(db);
    const off = [settings.autovacuum ? '' : 'autovacuum', settings.trackCounts ? '' : 'track_counts'].filter(Boolean);
    if (off.length > 0) {
      const says = `${off.join(' and ')} is off for the whole server. Dead rows stay, and every poll becomes slower.`;
      const advice = `Run ${off.map((name) => `\`alter system set ${name} = on\``).join(', ')} and \`select pg_reload_conf()\`.`;
      return fails('autovacuum', says, { advice });
    }
    const without = (await listTables(db, names)).filter((table) => !table.autovacuum).map(({ name }) => name);
    if (without.length === 0) return works('autovacuum', 'It is on for the server and for each table.');
    const advice = `Run ${listSome(without.map((name) => `\`alter table ${name} reset (autovacuum_enabled)\``))}.`;
    return fails('autovacuum', `It is off for ${listSome(without)}. Dead rows stay there.`, { advice });
  },
});

/** Autovacuum may be minutes late, and small tables do not matter. */
const timesDeadRowsBound = 5;
const fewestDeadRows = 10_000;

/** Whether vacuum keeps up with updates and deletes. */
const deadRows = (names: readonly string[]): Check => ({
  what: 'dead rows',
  async run(db) {
    const full = (await listTables(db, names)).filter(
      (table) => table.deadRows > Math.max(fewestDeadRows, timesDeadRowsBound * table.deadRowsBound),
    );
    if (full.length === 0) return works('dead rows', 'There are no more than vacuum leaves between two runs.');
    const vacuum = listSome(full.map(({ name }) => `\`vacuum (verbose) ${name}\``));
    const advice = `End the transactions that hold them (see old transactions), check that autovacuum is on, then run ${vacuum}.`;
    return fails('dead rows', `${listSome(full.map(describeDeadRows))}.`, { advice });
  },
});

function describeDeadRows({ name, deadRows: dead, lastAutovacuum }: TableUpkeep): string {
  return `${name} has ${dead} dead rows; its last autovacuum was ${lastAutovacuum ?? 'never'}`;
}

/** At its bound a table is about to be frozen. Well above it, something prevents that. */
const timesMaxAge = 1.1;

/** Whether our tables' rows are frozen in time: at two thousand million transactions Postgres stops accepting writes. */
const transactionIds = (names: readonly string[]): Check => ({
  what: 'transaction ids',
  async run(db) {
    const tables = await listTables(db, names);
    const old = tables.filter(({ age, maxAge }) => age > timesMaxAge * maxAge).map(({ name }) => name);
    const oldest = Math.max(0, ...tables.map(({ age }) => age));
    if (old.length === 0)
      return works('transaction ids', `The oldest row that is not frozen is ${oldest} transactions old.`);
    const says = `${listSome(old)}: rows are up to ${oldest} transactions old and not frozen. Postgres stops accepting writes at 2,000,000,000.`;
    const freeze = listSome(old.map((name) => `\`vacuum (freeze, verbose) ${name}\``));
    const advice = `End the transactions that hold them (see old transactions), then run ${freeze}.`;
    return fails('transaction ids', says, { advice });
  },
});
