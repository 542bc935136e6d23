import type { ExportState } from '@auditbox/core/export/batch.ts';
import type { TenantScope } from '@auditbox/core/keys/tenant-scope.ts';
import type { Database } from '../database/connect.ts';
import { isoUtc } from '../sql/iso-utc.ts';

/** How far the archived copy of an event is. */
export interface ArchiveState {
  readonly id: string;
  readonly state: ExportState;
  /** Null until the copy exists. */
  readonly exported_at: string | null;
}

/**
 * The states of several events at a destination. Unknown events, and those of another tenant, are left out.
 *
 * Caller: `GET /audit/archive`.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function listArchiveStates(
  db: Database,
  { ids, tenant, destination }: { ids: readonly string[]; tenant: TenantScope; destination: string },
): Promise<ArchiveState[]> {
  return db.query(
    (sql) => sql<ArchiveState[]>`
      select o.audit_id as id, coalesce(s.state, 'pending') as state, ${isoUtc(sql, 's.done_at')} as exported_at
      from (select value::uuid as id from json_array_elements_text(${JSON.stringify(ids)}::text::json)) asked
      join auditbox.outbox o on o.audit_id = asked.id
      -- Each event by its own look-up: a join of the whole view would read all batches.
      left join lateral (
        select state, done_at from auditbox.outbox_status s
        where s.audit_id = o.audit_id and s.destination = ${destination}
        offset 0
      ) s on true
      where ${
        tenant.kind === 'all'
          ? sql`true`
          : sql`exists (
              select from auditbox.audit_log a
              where a.id = o.audit_id and a.occurred_at = o.occurred_at and a.tenant = ${tenant.tenant})`
      }
      order by o.audit_id`,
  );
}
