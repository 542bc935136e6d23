import { readRole } from '@auditbox/db/doctor/read-role.ts';
import { type Holder, listHolders } from '@auditbox/db/observe/holders.ts';
import { type Finding, fails, unknown, works } from '../finding.ts';
import { someOf } from '../some-of.ts';
import type { Look } from './look.ts';

const what = 'old transactions';

/** Whether something keeps Postgres from removing dead rows, and what. */
export function oldTransactions(maxOpenS: number): Look {
  return {
    what,
    async find(db) {
      const holders = await listHolders(db);
      const old = holders.filter(({ openForS }) => openForS === null || openForS > maxOpenS);
      if (old.length > 0) {
        const says = `${someOf(old.map(inWords))}. What became dead since stays, and every poll's work grows.`;
        const advice = `Let it end, or end it: ${someOf(old.map(({ statement }) => `\`${statement}\``))}.`;
        return fails(what, says, { advice });
      }
      const { name, seesOthers } = await readRole(db);
      return seesOthers ? none(holders) : hidden(name);
    },
  };
}

function none([oldest]: readonly Holder[]): Finding {
  return works(what, oldest ? `The oldest is ${inWords(oldest)}.` : 'There is none open.');
}

function hidden(role: string): Finding {
  const says = "This role's own are not old; those of other roles it cannot see.";
  return unknown(what, says, {
    permission: 'pg_read_all_stats',
    advice: `Run \`grant pg_read_all_stats to ${role}\`.`,
  });
}

function inWords({ kind, name, openForS }: Holder): string {
  if (openForS === null) return `${kind} ${name}, which nobody reads, holds rows`;
  return `${kind} ${name}, open for ${Math.round(openForS)} s`;
}
