import { readRole } from '@auditbox/db/doctor/read-role.ts';
import { type Holder, listHolders } from '@auditbox/db/observe/holders.ts';
import { type Finding, fails, listSome, unknown, works } from '../finding.ts';
import type { Check } from './check.ts';

const what = 'old transactions';

/** Whether something prevents Postgres from removing dead rows, and what. */
export function oldTransactions(maxOpenS: number): Check {
  return {
    what,
    async run(db) {
      const holders = await listHolders(db);
      const old = holders.filter(({ openForS }) => openForS === null || openForS > maxOpenS);
      if (old.length > 0) {
        const says = `${listSome(old.map(describe))}. Rows that became dead since then stay, and every poll becomes slower.`;
        const advice = `Wait until it ends, or end it: ${listSome(old.map(({ statement }) => `\`${statement}\``))}.`;
        return fails(what, says, { advice });
      }
      const { name, seesOthers } = await readRole(db);
      return seesOthers ? noneIsOld(holders) : othersHidden(name);
    },
  };
}

function noneIsOld([oldest]: readonly Holder[]): Finding {
  return works(what, oldest ? `The oldest is ${describe(oldest)}.` : 'No transaction is open.');
}

function othersHidden(role: string): Finding {
  const says = "This role's transactions are not old. It cannot see those of other roles.";
  return unknown(what, says, {
    permission: 'pg_read_all_stats',
    advice: `Run \`grant pg_read_all_stats to ${role}\`.`,
  });
}

function describe({ kind, name, openForS }: Holder): string {
  if (openForS === null) return `${kind} ${name} holds rows, and nothing reads it`;
  return `${kind} ${name}, open for ${Math.round(openForS)} s`;
}
