import type { Database } from '../database/connect.ts';

export interface Partition {
  readonly name: string;
  readonly isDefault: boolean;
}

/** The partitions that audit_log has. Called by `npm run doctor`; reads catalogs, takes no locks. */
export async function listPartitions(db: Database): Promise<Partition[]> {
  return db.query(
    (sql) => sql<Partition[]>`
      select c.relname as name, pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT' as "isDefault"
      from pg_inherits i join pg_class c on c.oid = i.inhrelid
      where i.inhparent = to_regclass('public.audit_log') and not i.inhdetachpending
      order by c.relname`,
  );
}
