import { archiveDestination } from '@auditbox/core/export/archive-destination.ts';
import { counted } from '@auditbox/core/text/counted.ts';
import { type PendingRows, sumUnexported, type UnfinishedDeliveries } from '@auditbox/db/observe/backlog.ts';
import type { ExportActivity } from '@auditbox/db/observe/export-activity.ts';
import type { LogBacklog } from '@auditbox/db/observe/log-backlog.ts';
import { replayCommand } from '../replay-command.ts';

/** What was read about one destination. */
export interface DestinationReadings {
  readonly pending: PendingRows;
  readonly unfinished: UnfinishedDeliveries;
  /** The oldest delivery that waits for a retry. */
  readonly retry: ExportActivity['retry'];
  /** Why the oldest failed delivery, or rejected row, is stuck. */
  readonly failure: string | null;
  /** Null without a log. */
  readonly log: LogBacklog | null;
}

/** What keeps events from a destination, and what to do about it. */
interface StuckReason {
  readonly kind: 'failed' | 'rejected' | 'blocked' | 'behind' | 'unlogged' | 'unsigned' | 'paused';
  /** One sentence or more. */
  readonly says: string;
  /** A command, or a sentence. */
  readonly todo: string;
}

/** How far one destination is. */
export interface DestinationStatus {
  readonly destination: string;
  readonly state: 'pass' | 'warn' | 'fail';
  readonly behind: { readonly rows: number; readonly oldestAgeS: number };
  readonly stuck: readonly StuckReason[];
}

/** A batch normally gets its place in the log within seconds. */
const longestUnloggedS = 3_600;

/** Judges one destination. `maxBehindS`: events that wait for longer are late. */
export function judgeDestination(readings: DestinationReadings, maxBehindS: number): DestinationStatus {
  const { unfinished, pending } = readings;
  const behind = sumUnexported(pending, unfinished);
  const stuck = findStuck(readings, behind.oldestAgeS > maxBehindS);
  const isFailing = stuck.some(({ kind }) => kind !== 'paused' && kind !== 'unsigned');
  return {
    destination: unfinished.destination,
    state: isFailing ? 'fail' : stuck.length > 0 ? 'warn' : 'pass',
    behind,
    stuck,
  };
}

/**
 * The database does not know which destinations the running exporters serve. It knows whether any of them tries: a lane that is
 * served has a delivery that is being sent, or one that was tried.
 */
function explainWait({ unfinished, retry }: DestinationReadings): Pick<StuckReason, 'says' | 'todo'> {
  const { destination, deliveries } = unfinished;
  const late = 'Events wait for longer than they should';
  if (retry !== null) return { says: `${late}. The last try: ${retry.error}`, todo: checkExporters };
  if (destination === archiveDestination || deliveries.sealed === 0 || deliveries.sending > 0)
    return { says: `${late}.`, todo: checkExporters };
  return {
    says: `${late}, and no exporter is sending one.`,
    todo: `Check that an exporter runs which has ${destination} in its settings. If nobody needs it any more, \`npm run destinations -- remove ${destination} --yes\` removes it, with what waits for it.`,
  };
}

const checkExporters = 'Check that exporters run, and their log.';

function findStuck(readings: DestinationReadings, isLate: boolean): readonly StuckReason[] {
  const { unfinished, retry, failure, log, pending } = readings;
  const { destination, deliveries, rows, rejectedRows, isPaused, oldestAgeS } = unfinished;
  const replay = replayCommand(destination);
  const why = failure === null ? '' : ` The oldest: ${failure}`;
  const stuck: StuckReason[] = [];
  if (deliveries.failed > 0)
    stuck.push({
      kind: 'failed',
      says: `${counted(deliveries.failed, 'delivery', 'deliveries')} (${counted(rows.failed, 'event')}) failed.${why}`,
      todo: `Fix the cause, then run \`${replay}\`.`,
    });
  if (rejectedRows > 0)
    stuck.push({
      kind: 'rejected',
      says: `${counted(rejectedRows, 'event')} rejected.${deliveries.failed > 0 ? '' : why}`,
      todo: `Fix the cause, then run \`${replay}\`.`,
    });
  // A refusal of everything uses up no attempt.
  const isBlocked = retry !== null && retry.attempts === 0;
  if (isBlocked) stuck.push({ kind: 'blocked', ...describeBlocked(destination, retry.error) });
  if (isPaused)
    stuck.push({
      kind: 'paused',
      says: 'It is paused. Its deliveries wait.',
      todo: `Run \`npm run destinations -- resume ${destination}\` to go on.`,
    });
  if (isLate && !isBlocked && !isPaused && Math.max(oldestAgeS, pending.oldestAgeS) > 0)
    stuck.push({ kind: 'behind', ...explainWait(readings) });
  if (log !== null && log.oldestUnloggedAgeS > longestUnloggedS)
    stuck.push({
      kind: 'unlogged',
      says: 'Exported batches have no place in the signed log.',
      todo: 'Look for `batch-not-logged`, `log-blocked` and `log-unavailable` in the log of the exporter.',
    });
  else if (log !== null && log.size > log.publishedSize)
    stuck.push({
      kind: 'unsigned',
      says: `The log has ${counted(log.size - log.publishedSize, 'batch', 'batches')} without a signed checkpoint.`,
      todo: 'It is normal for some seconds. If it lasts, check the process that signs.',
    });
  return stuck;
}

function describeBlocked(destination: string, reason: string): { readonly says: string; readonly todo: string } {
  const end = 'Exporters go on by themselves. Only a changed environment needs a new start of the exporters.';
  if (destination === archiveDestination)
    return { says: `It refuses everything: ${reason}`, todo: `Fix what it names. ${end}` };
  return {
    says: `It gets nothing until this is repaired: ${reason}`,
    todo:
      `Repair what it names, in its settings or at the receiver; \`npm run destinations -- check ${destination}\` asks it. ${end} ` +
      'If a webhook refuses one event alone, let it answer 422: this event is rejected then, and the others go on.',
  };
}
