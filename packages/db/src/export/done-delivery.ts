import type { Fragment, Sql } from 'postgres';
import { isoUtc } from '../sql/iso-utc.ts';
import type { LinesOf } from './copy-batch-lines.ts';

/** A done delivery: what its object must be. */
export interface DoneDelivery extends LinesOf {
  readonly key: string;
  /** Of the uncompressed NDJSON. */
  readonly sha256: string;
  /** Of the object; null when the log was off. */
  readonly objectSha256: string | null;
  readonly isLogged: boolean;
}

/** The columns of a done delivery `d` and its batch `b`. */
export function doneDelivery(sql: Sql): Fragment {
  return sql`
    d.destination, b.id::text as "batchId", d.object_key as key, d.sha256, d.object_sha256 as "objectSha256",
    d.log_index is not null as "isLogged",
    b.row_count - (
      select count(*)::int from auditbox.rejection r where r.destination = d.destination and r.batch_id = b.id
    ) as "rowCount",
    ${isoUtc(sql, 'b.first_occurred_at')} as "firstOccurredAt", ${isoUtc(sql, 'b.last_occurred_at')} as "lastOccurredAt"`;
}
