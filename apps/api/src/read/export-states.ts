import type { ExportState } from '@auditbox/core/export/batch.ts';

/** The states of an event's archived copy, on the wire. */
export const exportStates = {
  pending: 'pending',
  sealed: 'sealed',
  sending: 'sending',
  done: 'done',
  failed: 'failed',
  rejected: 'rejected',
} as const satisfies { [State in ExportState]: State };
