import { hasDiskSpace } from '@auditbox/db/observe/has-disk-space.ts';
import { fails, works } from '../finding.ts';
import type { Check } from './check.ts';

/** What a full disk means and what to do, for the doctor and for `status`. */
export const diskIsFull = {
  says: "Postgres's disk is full. The api answers 503 to every event, and nothing is exported. Acknowledged events are safe.",
  todo: 'Enlarge the disk, or remove files that are not Postgres\'s, then see "The disk fills" in the runbook. All processes go on by themselves.',
} as const;

/** Whether Postgres can still write. */
export const disk: Check = {
  what: 'disk',
  async run(db) {
    if (await hasDiskSpace(db)) return works('disk', 'Postgres can write.');
    return fails('disk', diskIsFull.says, { advice: diskIsFull.todo });
  },
};
