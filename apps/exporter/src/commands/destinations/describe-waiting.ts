import { counted } from '@auditbox/core/text/counted.ts';

/** What a destination still has to get. */
export interface Waiting {
  readonly waitingBatches: number;
  readonly waitingRows: number;
}

/** Without a full stop. */
export function describeWaiting({ waitingBatches, waitingRows }: Waiting): string {
  const verb = waitingBatches === 1 ? 'waits' : 'wait';
  return `${counted(waitingBatches, 'batch', 'batches')} (${counted(waitingRows, 'row')}) ${verb}`;
}
