import { describeAge } from '../../status/describe-status.ts';
import { readStatus } from '../../status/read-status.ts';
import { fails, listSome, works } from '../finding.ts';
import type { Check } from './check.ts';

const what = 'exports';

/** Whether every destination has what it should have: nothing failed, rejected, blocked, unlogged or late. */
export function exports(maxBehindS: number): Check {
  return {
    what,
    async run(db) {
      const statuses = await readStatus(db, maxBehindS);
      const failing = statuses.filter(({ state }) => state === 'fail');
      const stuck = failing.flatMap(({ destination, stuck: reasons }) =>
        reasons.map((reason) => ({ destination, ...reason })),
      );
      if (stuck.length > 0)
        return fails(
          what,
          listSome(
            stuck.map(({ destination, says }) => `${destination}: ${says}`),
            ' ',
          ),
          {
            advice: listSome([...new Set(stuck.map(({ todo }) => todo))], ' '),
          },
        );
      const behind = statuses.filter((one) => one.behind.rows > 0);
      if (behind.length === 0) return works(what, 'Every destination has every event.');
      const list = behind.map(
        ({ destination, behind: { rows, oldestAgeS } }) =>
          `${destination} lacks ${rows} events, the oldest for ${describeAge(oldestAgeS)}`,
      );
      return works(what, `${listSome(list, '; ')}. Nothing is stuck.`);
    },
  };
}
