import { toDatabaseError } from '@auditbox/db/database/database-error.ts';
import type { Logger } from 'pino';

/** A database fault stops no loop; anything else is a fault of ours, is thrown again and ends the process. */
export function logDatabaseFault(logger: Logger, error: unknown): void {
  const fault = toDatabaseError(error);
  if (fault === null) throw error;
  logger.warn({ code: fault.code }, `${fault.sentence} Trying again.`);
}
