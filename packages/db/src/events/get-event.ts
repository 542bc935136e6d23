import { archiveDestination } from '@auditbox/core/export/archive-destination.ts';
import type { ExportState } from '@auditbox/core/export/batch.ts';
import type { TenantScope } from '@auditbox/core/keys/tenant-scope.ts';
import type { Database } from '../database/connect.ts';
import { eventJson } from '../sql/event-json.ts';

/** Where an event's archived copy is. The key, hash and time are null until the copy exists. */
export interface ExportStatus {
  readonly state: ExportState;
  readonly object_key: string | null;
  readonly sha256: string | null;
  readonly exported_at: string | null;
}

/**
 * An event as JSON, and its export to a destination. Null also for an event of another tenant.
 *
 * Caller: `GET /audit/:id`.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function getEvent(
  db: Database,
  id: string,
  tenant: TenantScope,
  destination = archiveDestination,
): Promise<{ json: string; exported: ExportStatus } | null> {
  const [taken] = await db.query(
    (sql) => sql<{ at: string }[]>`
      select to_char(occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at
      from auditbox.outbox where audit_id = ${id}::uuid`,
  );
  if (!taken) return null;
  // By its time, the statement locks one month and not all of them.
  const [row] = await db.query(
    (sql) => sql<{ json: string; state: ExportState | null; key: string; sha256: string; at: string }[]>`
    select
      ${sql.unsafe(eventJson)} as json, s.state, s.object_key as key, s.sha256,
      to_char(s.done_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at
    from auditbox.audit_log a
    left join auditbox.outbox_status s on s.audit_id = a.id and s.destination = ${destination}
    where a.id = ${id}::uuid and a.occurred_at = ${taken.at}::timestamptz
      and ${tenant.kind === 'all' ? sql`true` : sql`a.tenant = ${tenant.tenant}`}`,
  );
  if (!row) return null;
  // Without a delivery the event is not at the destination.
  const exported = { state: row.state ?? 'pending', object_key: row.key, sha256: row.sha256, exported_at: row.at };
  return { json: row.json, exported };
}
