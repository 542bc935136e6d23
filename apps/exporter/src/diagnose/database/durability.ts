import { type Durability, listOverrides, readDurability } from '@auditbox/db/doctor/server-settings.ts';
import { fails, works } from '../finding.ts';
import { someOf } from '../some-of.ts';
import type { Look } from './look.ts';

const what = 'durability';

/** Whether what Postgres calls committed is on disk, in everybody's sessions. */
export const durability: Look = {
  what,
  async find(db) {
    const settings = await readDurability(db);
    const overrides = await listOverrides(db, 'synchronous_commit');
    const off = overrides.filter(({ value }) => isOff(value));
    const troubles = [...serverTroubles(settings), ...commitTroubles(settings, off)];
    if (troubles.length > 0) {
      const says = someOf(
        troubles.map((trouble) => trouble.says),
        ' ',
      );
      return fails(what, says, { advice: [...new Set(troubles.map((trouble) => trouble.advice))].join(' ') });
    }
    return works(
      what,
      `synchronous_commit is ${settings.synchronousCommit}, fsync and full_page_writes are on.${replicas(settings)}`,
    );
  },
};

interface Trouble {
  readonly says: string;
  readonly advice: string;
}

function serverTroubles({ fsync, fullPageWrites }: Durability): Trouble[] {
  const settings = { fsync, full_page_writes: fullPageWrites };
  return Object.entries(settings)
    .filter(([, value]) => value === 'off')
    .map(([name]) => ({
      says: `${name} is off: a crash of the machine can damage the whole database.`,
      advice: `Run \`alter system set ${name} = on\` and \`select pg_reload_conf()\`.`,
    }));
}

function commitTroubles({ synchronousCommit }: Durability, off: readonly { readonly statement: string }[]): Trouble[] {
  const lost =
    'A service that writes events itself can then lose the last ones in a crash; api and exporter set it to on for themselves.';
  if (off.length > 0) {
    const says = `synchronous_commit is off by ${someOf(off.map(({ statement }) => `\`${statement}\``))}. ${lost}`;
    const undo = off.map(({ statement }) => `\`${statement} reset synchronous_commit\``);
    return [{ says, advice: `Run ${someOf(undo)}.` }];
  }
  if (!isOff(synchronousCommit)) return [];
  const advice = 'Run `alter system set synchronous_commit = on` and `select pg_reload_conf()`.';
  return [{ says: `synchronous_commit is off for the whole server. ${lost}`, advice }];
}

function isOff(value: string): boolean {
  return ['off', 'false', 'no', '0'].includes(value.toLowerCase());
}

function replicas({ synchronousCommit, synchronousReplicas }: Durability): string {
  if (!synchronousReplicas || synchronousCommit !== 'local') return '';
  return ' A commit with local waits for no synchronous replica.';
}
