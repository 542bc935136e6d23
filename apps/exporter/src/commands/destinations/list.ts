import { counted } from '@auditbox/core/text/counted.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { listDestinations } from '@auditbox/db/export/destinations.ts';
import { findUnfinishedDeliveries } from '@auditbox/db/observe/backlog.ts';
import type { DestinationsSettings } from '../../destinations/configured/configured-destination.ts';
import { describeWaiting } from './describe-waiting.ts';
import type { CommandResult } from './result.ts';

/** All destinations: those of the database, and those of the configuration that no exporter has added yet. */
export async function listAll(db: Database, { all }: DestinationsSettings): Promise<CommandResult> {
  const known = await listDestinations(db);
  const unfinished = new Map((await findUnfinishedDeliveries(db)).map((one) => [one.destination, one]));
  const typeOf = (name: string) => (name === 's3' ? 's3' : (all.find((one) => one.name === name)?.type ?? null));
  const destinations = [
    ...known.map(({ name, isPaused, addsHistory }) => {
      const waiting = unfinished.get(name);
      const type = typeOf(name);
      return {
        name,
        type,
        state: type === null ? 'orphaned' : isPaused ? 'paused' : 'active',
        addsHistory,
        waitingBatches: waiting === undefined ? 0 : waiting.deliveries.sealed + waiting.deliveries.sending,
        waitingRows: waiting === undefined ? 0 : waiting.rows.sealed + waiting.rows.sending,
        failedBatches: waiting?.deliveries.failed ?? 0,
        rejectedRows: waiting?.rejectedRows ?? 0,
        oldestAgeS: waiting?.oldestAgeS ?? 0,
      };
    }),
    ...all
      .filter(({ name }) => !known.some((one) => one.name === name))
      .map(({ name, type }) => ({
        ...{ name, type, state: 'not added yet', addsHistory: false, waitingBatches: 0, waitingRows: 0 },
        ...{ failedBatches: 0, rejectedRows: 0, oldestAgeS: 0 },
      })),
  ];
  const lines = destinations.map(
    ({ name, type, state, ...counts }) =>
      `${name}\t${type ?? '-'}\t${state}\t${describeWaiting(counts)}\t` +
      `${counts.failedBatches} failed\t${counted(counts.rejectedRows, 'row')} rejected`,
  );
  return { lines, json: { ok: true, destinations }, exitCode: 0 };
}
