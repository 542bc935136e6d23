import { checkDatabase, explainUnreadyToAnybody } from '@auditbox/db/database/check-database.ts';
import type { Database } from '@auditbox/db/database/connect.ts';

/**
 * What `/readyz` says: a warning, or null. Throws an error with a sentence that anybody may read. Does not check the destination:
 * routing around an exporter, or restarting it, does not fix a store that is down.
 */
export async function checkReadiness(db: Database): Promise<string | null> {
  try {
    return await checkDatabase(db);
  } catch (error) {
    throw new Error(explainUnreadyToAnybody(error));
  }
}
