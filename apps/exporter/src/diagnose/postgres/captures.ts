import { findCaptureProblems } from '@auditbox/db/doctor/find-capture-problems.ts';
import { fails, listSome, works } from '../finding.ts';
import type { Check } from './check.ts';

const what = 'captured tables';

/** Whether every change of the captured tables is recorded. */
export const captures: Check = {
  what,
  async run(db) {
    const problems = await findCaptureProblems(db);
    if (problems.length === 0) return works(what, 'Every change of the captured tables is recorded.');
    const remedies = [...new Set(problems.map(({ remedy }) => `\`${remedy}\``))];
    return fails(what, `${listSome(problems.map(({ says }) => says))}.`, {
      advice: `As the owner of the table, run ${listSome(remedies, '; ')}.`,
    });
  },
};
