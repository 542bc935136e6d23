import type { ExportState } from '@auditbox/core/export/batch.ts';
import type { Database } from '../database/connect.ts';
import { eventJson } from '../sql/event-json.ts';
import { whereTaken } from './where-taken.ts';

/** Where an event's archived copy is. The key, hash and time are null until the copy exists. */
export interface ExportStatus {
  readonly state: ExportState;
  readonly object_key: string | null;
  readonly sha256: string | null;
  readonly exported_at: string | null;
}

/**
 * An event as JSON, and its export. An event whose outbox row was pruned is exported, in the batch that pruned_event names.
 *
 * Caller: `GET /audit/:id`.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function getEvent(db: Database, id: string): Promise<{ json: string; exported: ExportStatus } | null> {
  const [row] = await db.query(
    (sql) => sql<{ json: string; state: ExportState | null; key: string; sha256: string; at: string }[]>`
    select
      ${sql.unsafe(eventJson)} as json, s.state,
      coalesce(s.object_key, b.object_key) as key, coalesce(s.sha256, b.sha256) as sha256,
      to_char(coalesce(s.exported_at, b.exported_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at
    from (select ${id}::uuid as id) wanted
    ${sql.unsafe(whereTaken('wanted.id'))}
    join audit_log a on a.id = taken.id and a.occurred_at = taken.occurred_at
    left join outbox_status s on s.audit_id = a.id and s.destination = 's3'
    left join pruned_event p on p.id = a.id
    left join export_batch b on b.id = p.batch_id`,
  );
  if (!row) return null;
  const exported = { state: row.state ?? 'done', object_key: row.key, sha256: row.sha256, exported_at: row.at };
  return { json: row.json, exported };
}
