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

/** How far an event is on its way to one destination. */
export interface EventDelivery {
  readonly destination: string;
  readonly state: ExportState;
  /** Null until the destination has it. */
  readonly delivered_at: string | null;
}

/**
 * An event as JSON, its export to a destination, and its deliveries to all. Null also for an event of another tenant.
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
): Promise<{ json: string; exported: ExportStatus; deliveries: readonly EventDelivery[] } | null> {
  const [taken] = await db.query(
    (sql) => sql<{ at: string }[]>`
      select to_char(occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at
      from auditbox.outbox where audit_id = ${id}::uuid`,
  );
  // For a key of one tenant both statements are always sent: otherwise the time of an answer tells whether another tenant has the id.
  if (!taken && tenant.kind === 'all') return null;
  const at = taken?.at ?? new Date().toISOString();
  // By its time, the statement locks one month and not all of them.
  const [row] = await db.query(
    (sql) => sql<{ json: string; deliveries: string }[]>`
    select ${sql.unsafe(eventJson)} as json, (
        select coalesce(json_agg(json_build_object(
          'destination', s.destination, 'state', s.state, 'object_key', s.object_key, 'sha256', s.sha256,
          'delivered_at', to_char(s.done_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        ) order by s.destination), '[]')::text
        from auditbox.outbox_status s where s.audit_id = a.id
      ) as deliveries
    from auditbox.audit_log a
    where a.id = ${id}::uuid and a.occurred_at = ${at}::timestamptz
      and ${tenant.kind === 'all' ? sql`true` : sql`a.tenant = ${tenant.tenant}`}`,
  );
  if (!row) return null;
  const all = JSON.parse(row.deliveries) as readonly (EventDelivery & Omit<ExportStatus, 'exported_at'>)[];
  const archived = all.find((delivery) => delivery.destination === destination);
  return {
    json: row.json,
    // Without a delivery the event is not at the destination.
    exported: {
      state: archived?.state ?? 'pending',
      object_key: archived?.object_key ?? null,
      sha256: archived?.sha256 ?? null,
      exported_at: archived?.delivered_at ?? null,
    },
    deliveries: all.map(({ destination: name, state, delivered_at }) => ({ destination: name, state, delivered_at })),
  };
}
