import { withCommands } from '@auditbox/process/with-commands.ts';

/** How database and bucket differ. Codes are stable. */
export type DifferenceCode =
  | 'object-missing'
  | 'object-changed'
  | 'object-unread'
  | 'object-unknown'
  | 'row-differs'
  | 'row-not-in-object'
  | 'row-not-in-database'
  | 'rows-not-exported'
  | 'log-file-missing';

/** One difference, and what to do about it. */
export interface Difference {
  readonly code: DifferenceCode;
  /** The key or the event's id. */
  readonly what: string;
  readonly says: string;
  readonly remedy: string;
  readonly isRepaired: boolean;
}

const remedies: { readonly [Code in DifferenceCode]: string } = {
  'object-missing': '--repair sends the batch again, as long as its rows render to the same bytes.',
  'object-changed': 'Find out who wrote it. Read the first version of the object, if the bucket keeps versions.',
  'object-unread': 'Restore it, or permit the exporter to read it, and run the command again.',
  'object-unknown': 'Find out who put it there. After a restore of the database: `npm run exporter -- --reconcile`.',
  'row-differs': 'The object is the record. Somebody changed the row with the rights of an owner.',
  'row-not-in-object': 'Somebody inserted the row, or moved it, with the rights of an owner.',
  'row-not-in-database': 'The object is the record. Somebody deleted the row with the rights of an owner.',
  'rows-not-exported': 'Run `npm run exporter -- --once`, or --replay-failed for failed batches and rejected rows.',
  'log-file-missing': '--repair publishes it again from the database.',
};

export function difference(code: DifferenceCode, what: string, says: string): Difference {
  return { code, what, says, remedy: withCommands(remedies[code]), isRepaired: false };
}
