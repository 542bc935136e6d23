import type { Database } from '@auditbox/db/database/connect.ts';
import { toDatabaseError } from '@auditbox/db/database/database-error.ts';
import { type Finding, unknown } from '../finding.ts';

/** A question to the database, by the name of its finding. */
export interface Look {
  readonly what: string;
  find(db: Database): Promise<Finding>;
}

/** A question that was not answered is a finding too, and the others are asked all the same. */
export async function take({ what, find }: Look, db: Database): Promise<Finding> {
  try {
    return await find(db);
  } catch (error) {
    const fault = toDatabaseError(error);
    if (fault === null) throw error;
    const isForbidden = fault.code === '42501';
    return unknown(what, fault.sentence, {
      needed: !isForbidden,
      permission: isForbidden ? 'the right to read this' : null,
    });
  }
}
