import type { LeasedBatch } from '@auditbox/core/export/batch.ts';
import type { Database } from '../database/connect.ts';

/** Why, and whether an object of the batch may lie under the key that was written down. */
export interface Failure {
  readonly error: string;
  readonly keepRender: boolean;
}

/**
 * `uploading → failed`: this object can never be stored as things are; a person must look. False means that the lease
 * is lost. Called by the exporter after a permanent refusal, outside of any transaction. Locks the batch's row. If we
 * die before, the next attempt meets the same refusal.
 */
export async function failBatch(
  db: Database,
  { id, leaseToken }: LeasedBatch,
  { error, keepRender }: Failure,
): Promise<boolean> {
  const forget = keepRender ? db.sql`` : db.sql`, object_key = null, sha256 = null, bytes = null, object_bytes = null`;
  const rows = await db.query(
    (sql) => sql`
    update export_batch
    set state = 'failed', lease_token = null, leased_until = null, last_error = ${error} ${forget}
    where id = ${id} and lease_token = ${leaseToken} and state = 'uploading'
    returning id`,
  );
  return rows.length === 1;
}
