import type { LeasedBatch, RenderedObject } from '@auditbox/core/export/batch.ts';
import type { Database } from '../database/connect.ts';

/** A batch, and what it was rendered to. */
export interface BatchRender {
  readonly batch: LeasedBatch;
  readonly rendered: RenderedObject & { readonly bytes: number };
}

/**
 * Writes down what batches were rendered to and extends their leases for the upload. Says for each batch, in their order,
 * whether the lease was still held; false means that another exporter has the batch now. Called by the exporter before
 * each upload, outside of any transaction; renders that end at the same moment share a call.
 *
 * Locks the batches' rows. If we die right after, the next attempt knows the key under which this one may have stored an
 * object, whatever prefix or format is in force by then.
 */
export async function recordRender(db: Database, renders: readonly BatchRender[], leaseMs: number): Promise<boolean[]> {
  const records = renders.map(({ batch: { id, leaseToken: token }, rendered }) => ({ id, token, ...rendered }));
  const rows = await db.query(
    (sql) => sql<{ token: string }[]>`
    update export_batch b
    set object_key = new.key, sha256 = new.sha256, bytes = new.bytes, object_bytes = new."objectBytes",
      leased_until = clock_timestamp() + ${leaseMs} * interval '1 millisecond'
    from json_to_recordset(${JSON.stringify(records)}::text::json) as new (
      id bigint, token uuid, key text, sha256 text, bytes bigint, "objectBytes" bigint
    )
    where b.id = new.id and b.lease_token = new.token and b.state = 'uploading'
    returning new.token`,
  );
  const recorded = new Set(rows.map(({ token }) => token));
  return renders.map(({ batch }) => recorded.has(batch.leaseToken));
}
