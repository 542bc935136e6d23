import type { Database } from '../database/connect.ts';

export interface IdleTrigger {
  readonly table: string;
  readonly trigger: string;
  readonly problem: 'missing' | 'disabled';
}

/**
 * Triggers of audit_log and its partitions that are not there, or do not fire in ordinary sessions. Called by `npm run
 * doctor`; reads catalogs, takes no locks.
 */
export async function findIdleTriggers(db: Database, triggers: readonly string[]): Promise<IdleTrigger[]> {
  return db.query(
    (sql) => sql<IdleTrigger[]>`
      select c.relname as table, e.name as trigger,
        case when t.oid is null then 'missing' else 'disabled' end as problem
      from pg_class c cross join json_array_elements_text(${JSON.stringify(triggers)}::text::json) as e(name)
      left join pg_trigger t on t.tgrelid = c.oid and t.tgname = e.name
      where (
        c.oid = to_regclass('public.audit_log')
        or c.oid in (select inhrelid from pg_inherits where inhparent = to_regclass('public.audit_log'))
      ) and coalesce(t.tgenabled, 'D') not in ('O', 'A')
      order by c.relname, e.name`,
  );
}
