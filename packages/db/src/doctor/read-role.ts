import type { Database } from '../database/connect.ts';

/** What the connection's role may do that it need not, or should. */
export interface Role {
  readonly name: string;
  readonly isSuperuser: boolean;
  readonly ownsRecord: boolean;
  /** UPDATE, DELETE or TRUNCATE on audit_log, between commas; empty for none. Not the DELETE that the retention role is for. */
  readonly mayChangeRecord: string;
  readonly seesOthers: boolean;
}

/** Called by `npm run doctor`; reads catalogs, takes no locks. Without a table audit_log nothing of it is true. */
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
        pg_has_role('pg_read_all_stats', 'usage') as "seesOthers"
      from pg_roles r cross join coalesce(to_regclass('public.audit_log')::oid, 0) as audit_log
      where r.rolname = current_user`,
  );
  return row;
}
