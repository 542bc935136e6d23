import type { Database } from '@auditbox/db/database/connect.ts';
import { DatabaseError } from '@auditbox/db/database/database-error.ts';
import { readRole } from '@auditbox/db/doctor/read-role.ts';
import { type Finding, unknown } from '../finding.ts';

/** One check of the database. `what` is the name of its finding. */
export interface Check {
  readonly what: string;
  /**
   * Whether a login that may not read this knows too little. Otherwise, and for the login of retention, the finding is unknown and changes no
   * exit code.
   */
  readonly isEssential?: true;
  run(db: Database): Promise<Finding>;
}

const insufficientPrivilege = '42501';

/** A check that fails to run is a finding too, and the other checks still run. */
export async function runCheck({ what, isEssential, run }: Check, db: Database): Promise<Finding> {
  try {
    return await run(db);
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    const isForbidden = error.code === insufficientPrivilege;
    return unknown(what, error.sentence, {
      needed: !isForbidden || (isEssential === true && !(await readRole(db)).isForRetention),
      permission: isForbidden ? 'the right to read this' : null,
    });
  }
}
