import { type Durability, listOverrides, readDurability } from '@auditbox/db/doctor/server-settings.ts';
import { fails, listSome, works } from '../finding.ts';
import type { Check } from './check.ts';

const what = 'durability';

/** Whether a committed transaction is on disk, in the sessions of every role. */
export const durability: Check = {
  what,
  async run(db) {
    const settings = await readDurability(db);
    const overrides = await listOverrides(db, 'synchronous_commit');
    const off = overrides.filter(({ value }) => isOff(value));
    const problems = [...findServerProblems(settings), ...findCommitProblems(settings, off)];
    if (problems.length > 0) {
      const says = listSome(
        problems.map((problem) => problem.says),
        ' ',
      );
      return fails(what, says, { advice: [...new Set(problems.map((problem) => problem.advice))].join(' ') });
    }
    return works(
      what,
      `synchronous_commit is ${settings.synchronousCommit}, fsync and full_page_writes are on.${describeReplicas(settings)}`,
    );
  },
};

interface Problem {
  readonly says: string;
  readonly advice: string;
}

function findServerProblems({ fsync, fullPageWrites }: Durability): Problem[] {
  const settings = { fsync, full_page_writes: fullPageWrites };
  return Object.entries(settings)
    .filter(([, value]) => value === 'off')
    .map(([name]) => ({
      says: `${name} is off. A crash of the machine can damage the whole database.`,
      advice: `Run \`alter system set ${name} = on\` and \`select pg_reload_conf()\`.`,
    }));
}

function findCommitProblems(
  { synchronousCommit }: Durability,
  off: readonly { readonly statement: string }[],
): Problem[] {
  const lost =
    'An application that writes events by SQL can lose the last ones in a crash. The api and the exporter set it to on in their sessions.';
  if (off.length > 0) {
    const says = `synchronous_commit is off by ${listSome(off.map(({ statement }) => `\`${statement}\``))}. ${lost}`;
    const undo = off.map(({ statement }) => `\`${statement} reset synchronous_commit\``);
    return [{ says, advice: `Run ${listSome(undo)}.` }];
  }
  if (!isOff(synchronousCommit)) return [];
  const advice = 'Run `alter system set synchronous_commit = on` and `select pg_reload_conf()`.';
  return [{ says: `synchronous_commit is off for the whole server. ${lost}`, advice }];
}

function isOff(value: string): boolean {
  return ['off', 'false', 'no', '0'].includes(value.toLowerCase());
}

function describeReplicas({ synchronousCommit, synchronousReplicas }: Durability): string {
  if (!synchronousReplicas || synchronousCommit !== 'local') return '';
  return ' With local, a commit does not wait for a synchronous replica.';
}
