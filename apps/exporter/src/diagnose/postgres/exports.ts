import { counted } from '@auditbox/core/text/counted.ts';
import { describeAge } from '../../status/describe-status.ts';
import type { DestinationStatus } from '../../status/destination-status.ts';
import { readStatus } from '../../status/read-status.ts';
import { type Finding, fails, listSome, works } from '../finding.ts';
import type { Check } from './check.ts';

const what = 'exports';

/** Whether every destination has what it should have, in the words and states of `status`. */
export function exports(maxBehindS: number): Check {
  return {
    what,
    isEssential: true,
    async run(db) {
      const statuses = await readStatus(db, maxBehindS);
      const failing = statuses.filter(({ state }) => state === 'fail');
      if (failing.length > 0) return describeStuck(failing, { needed: true });
      const warning = statuses.filter(({ state }) => state === 'warn');
      if (warning.length > 0) return describeStuck(warning, { needed: false });
      const behind = statuses.filter((one) => one.behind.rows > 0);
      if (behind.length === 0) return works(what, 'Every destination has every event.');
      const list = behind.map(
        ({ destination, behind: { rows, oldestAgeS } }) =>
          `${counted(rows, 'event')} on the way to ${destination}, the oldest for ${describeAge(oldestAgeS)}`,
      );
      return works(what, `${listSome(list, '; ')}. Nothing is stuck.`);
    },
  };
}

function describeStuck(statuses: readonly DestinationStatus[], { needed }: { needed: boolean }): Finding {
  const reasons = statuses.flatMap(({ destination, stuck }) => stuck.map((reason) => ({ destination, ...reason })));
  const says = reasons.map((reason) => `${reason.destination}: ${reason.says}`);
  const advice = listSome([...new Set(reasons.map(({ todo }) => todo))], ' ');
  return fails(what, listSome(says, ' '), { needed, advice });
}
