import type { LoggedHashes, RenderedObject } from '@auditbox/core/export/batch.ts';
import type { DeliveryLease } from '@auditbox/core/export/delivery.ts';
import type { Database } from '../database/connect.ts';

/** A delivery, and the object that its rows were rendered to. */
export interface DeliveryRender {
  readonly delivery: DeliveryLease;
  readonly rendered: RenderedObject & LoggedHashes & { readonly ndjsonBytes: number };
}

/**
 * Records what deliveries were rendered to and extends their leases for the upload. Returns for each, in their order,
 * whether the lease was still held; false means that another exporter has the delivery.
 *
 * Caller: the exporter before each upload, outside of any transaction. Renders that end at the same moment share a call.
 * Locks: the deliveries.
 * Crash: the next attempt knows the key under which this one may have stored an object, whatever prefix or format is in
 * force by then.
 */
export async function recordRender(
  db: Database,
  renders: readonly DeliveryRender[],
  leaseMs: number,
): Promise<boolean[]> {
  const records = renders.map(({ delivery: { destination, batchId, leaseToken }, rendered }) => ({
    destination,
    batch_id: batchId,
    token: leaseToken,
    ...rendered,
  }));
  const rows = await db.query(
    (sql) => sql<{ token: string }[]>`
    update auditbox.delivery d
    set object_key = new.key, sha256 = new.sha256, ndjson_bytes = new."ndjsonBytes", object_bytes = new."objectBytes",
      lines_root = new."linesRoot", object_sha256 = new."objectSha256",
      leased_until = statement_timestamp() + ${leaseMs} * interval '1 millisecond'
    from json_to_recordset(${JSON.stringify(records)}::text::json) as new (
      destination text, batch_id bigint, token uuid, key text, sha256 text, "ndjsonBytes" bigint, "objectBytes" bigint,
      "linesRoot" text, "objectSha256" text
    )
    where d.destination = new.destination and d.batch_id = new.batch_id and d.lease_token = new.token
      and d.state = 'sending'
    returning new.token`,
  );
  const recorded = new Set(rows.map(({ token }) => token));
  return renders.map(({ delivery }) => recorded.has(delivery.leaseToken));
}
