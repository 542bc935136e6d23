/** What is wrong with an archive. Codes are stable. */
export type FindingCode =
  | 'checkpoint-missing'
  | 'checkpoint-malformed'
  | 'checkpoint-signature'
  | 'checkpoint-origin'
  | 'checkpoint-inconsistent'
  | 'key-note'
  | 'key-unknown'
  | 'cosignature'
  | 'quorum'
  | 'stamp'
  | 'rolled-back'
  | 'forked'
  | 'tile-missing'
  | 'tile-differs'
  | 'entry-malformed'
  | 'entry-differs'
  | 'key-twice'
  | 'object-missing'
  | 'object-changed'
  | 'object-shadowed'
  | 'object-not-in-log'
  | 'object-unlogged'
  | 'gzip-extra'
  | 'unreadable'
  | 'log-file-unreadable'
  | 'rows'
  | 'lines-root'
  | 'line-malformed'
  | 'misfiled'
  | 'unsorted'
  | 'other-tenant'
  | 'event-twice'
  | 'receipt-malformed'
  | 'receipt-signature'
  | 'receipt-differs'
  | 'receipt-missing'
  | 'receipt-pending'
  | 'receipt-unknown';

/** `partly`: something could not be checked. `broken`: the archive is not what was logged. */
export interface Finding {
  readonly code: FindingCode;
  /** The key, the path or the size that it is about. */
  readonly what: string;
  /** What was expected and what is there. */
  readonly says: string;
  readonly kind: 'broken' | 'partly';
}

export function broken(code: FindingCode, what: string | number, says: string): Finding {
  return { code, what: String(what), says, kind: 'broken' };
}

export function partly(code: FindingCode, what: string | number, says: string): Finding {
  return { code, what: String(what), says, kind: 'partly' };
}
