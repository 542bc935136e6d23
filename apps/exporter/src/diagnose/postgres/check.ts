import type { Database } from '@auditbox/db/database/connect.ts';
import { DatabaseError } from '@auditbox/db/database/database-error.ts';
import { type Finding, unknown } from '../finding.ts';

/** One check of the database. `what` is the name of its finding. */
export interface Check {
  readonly what: string;
  run(db: Database): Promise<Finding>;
}

const insufficientPrivilege = '42501';

/** A check that fails to run is a finding too, and the other checks still run. */
export async function runCheck({ what, run }: Check, db: Database): Promise<Finding> {
  try {
    return await run(db);
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    const isForbidden = error.code === insufficientPrivilege;
    return unknown(what, error.sentence, {
      needed: !isForbidden,
      permission: isForbidden ? 'the right to read this' : null,
    });
  }
}
