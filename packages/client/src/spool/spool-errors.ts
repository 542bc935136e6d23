/** The spool holds as many bytes as it may. The event was not taken. */
export class SpoolFullError extends Error {
  override readonly name = 'SpoolFullError';
  readonly code = 'AUDITBOX_SPOOL_FULL';
}

/** Another process has the folder. */
export class SpoolInUseError extends Error {
  override readonly name = 'SpoolInUseError';
  readonly code = 'AUDITBOX_SPOOL_IN_USE';
}
