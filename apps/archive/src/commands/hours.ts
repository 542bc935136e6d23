import { archiveDestination as destination } from '@auditbox/core/export/archive-destination.ts';
import type { Grain } from '@auditbox/core/export/partition.ts';
import { counted } from '@auditbox/core/text/counted.ts';
import { listPartitionStates, type PartitionState } from '@auditbox/db/archive/partition-states.ts';
import { connectDatabase } from '@auditbox/db/database/connect.ts';
import { ArchiveError, exitCodes } from '../archive-error.ts';
import type { CommandParts } from '../command-parts.ts';

export interface HoursCommand {
  readonly kind: 'hours';
  readonly from: string;
  readonly to: string;
  readonly grain: Grain;
  readonly json: boolean;
}

/** Prints which hours of the range are whole in the archive. Resolves to the exit code. */
export async function hours(
  { settings, write, say }: CommandParts,
  { from, to, grain, json }: HoursCommand,
): Promise<number> {
  if (settings.database === null)
    throw new ArchiveError('DATABASE_URL is not set. Only the database can say whether an hour is complete.');
  const db = connectDatabase({
    ...settings.database,
    application: 'auditbox archive',
    maxConnections: 1,
    statementTimeoutMs: 60_000,
    onlyReads: 'any',
  });
  try {
    const states = await listPartitionStates(db, { destination, grain, from, to });
    for (const state of states) write(json ? `${JSON.stringify(toJson(state))}\n` : describe(state));
    const open = states.filter(({ openBecause }) => openBecause !== null).length;
    say(`${states.length - open} complete, ${open} open.\n`);
    return open === 0 ? exitCodes.done : exitCodes.nothingFound;
  } finally {
    await db.close(1_000);
  }
}

/** As `GET /exports/hours` names them. */
function toJson({ partition, openBecause, objects, rows, waitingBatches, lastDoneAt }: PartitionState) {
  return {
    ...{ partition, state: openBecause === null ? 'complete' : 'open', open_because: openBecause },
    ...{ objects, rows, waiting_batches: waitingBatches, last_done_at: lastDoneAt },
  };
}

function describe({ partition, openBecause, objects, rows }: PartitionState): string {
  const state = openBecause === null ? 'complete' : `open (${openBecause})`;
  return `${partition}  ${state}  ${counted(rows, 'event')} in ${counted(objects, 'object')}\n`;
}
