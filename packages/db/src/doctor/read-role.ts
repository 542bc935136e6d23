import type { Database } from '../database/connect.ts';

/** Rights of the connection's role that it must have, or should not have. */
export interface Role {
  readonly name: string;
  readonly isSuperuser: boolean;
  readonly ownsRecord: boolean;
  /** UPDATE, DELETE or TRUNCATE on audit_log, separated by commas; empty if none. Without the DELETE of the retention role. */
  readonly mayChangeRecord: string;
  readonly seesOthers: boolean;
  /** Whether it is a login for retention alone, which may not read how far the exports are. */
  readonly isForRetention: boolean;
}

/**
 * Without a table audit_log the role has no rights on it.
 *
 * Caller: the doctor.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function readRole(db: Database): Promise<Role> {
  const [row] = await db.query(
    (sql) => sql<[Role]>`
      select r.rolname as name, r.rolsuper as "isSuperuser",
        coalesce((select pg_has_role(c.relowner, 'member') from pg_class c where c.oid = audit_log), false) as "ownsRecord",
        concat_ws(', ',
          case when has_table_privilege(audit_log, 'update') then 'UPDATE' end,
          case when has_table_privilege(audit_log, 'delete')
            and not coalesce(pg_has_role(to_regrole('auditbox_retention'), 'usage'), false) then 'DELETE' end,
          case when has_table_privilege(audit_log, 'truncate') then 'TRUNCATE' end) as "mayChangeRecord",
        pg_has_role('pg_read_all_stats', 'usage') as "seesOthers",
        coalesce(pg_has_role(to_regrole('auditbox_retention'), 'usage'), false)
          and not coalesce(pg_has_role(to_regrole('auditbox_exporter'), 'usage'), false) as "isForRetention"
      from pg_roles r cross join coalesce(to_regclass('auditbox.audit_log')::oid, 0) as audit_log
      where r.rolname = current_user`,
  );
  return row;
}
