import type { ExportState } from '@auditbox/core/batch.ts';
import type { Database } from '../connect.ts';
import { eventJson } from '../event-json.ts';

/** Where an event's archived copy is. The key, hash and time are null until it is there. */
export interface ExportStatus {
  readonly state: ExportState;
  readonly object_key: string | null;
  readonly sha256: string | null;
  readonly exported_at: string | null;
}

/**
 * Called by `GET /audit/:id`; takes no locks. An audit row without an outbox row can only be one whose outbox row was
 * pruned, and only exported ones are.
 */
export async function getEvent(db: Database, id: string): Promise<{ json: string; exported: ExportStatus } | null> {
  const [row] = await db.answer(
    () => db.sql<{ json: string; state: ExportState | null; key: string; sha256: string; at: string }[]>`
    select
      ${db.sql.unsafe(eventJson)} as json, s.state, s.object_key as key, s.sha256,
      to_char(s.exported_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at
    from audit_log a
    left join outbox_status s on s.audit_id = a.id and s.destination = 's3'
    where a.id = ${id}`,
  );
  if (!row) return null;
  const exported = { state: row.state ?? 'done', object_key: row.key, sha256: row.sha256, exported_at: row.at };
  return { json: row.json, exported };
}
