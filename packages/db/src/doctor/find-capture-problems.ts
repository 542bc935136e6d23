import { listDistributedCaptures } from '../capture/on-citus.ts';
import type { Database } from '../database/connect.ts';

/** Something that keeps changes of a captured table from being recorded. */
export interface CaptureProblem {
  readonly table: string;
  /** What is wrong, without a full stop. */
  readonly says: string;
  /** A statement that repairs it. */
  readonly remedy: string;
}

/** Whatever keeps changes of the captured tables from being recorded, or makes writes to them fail. */
export async function findCaptureProblems(db: Database): Promise<CaptureProblem[]> {
  const distributed = await listDistributedCaptures(db);
  return [
    ...distributed.map((table) => ({
      table,
      says: `Citus distributes the captured table ${table}, so each write to it fails`,
      remedy: `select undistribute_table('${table.replaceAll("'", "''")}')`,
    })),
    ...(await findInCatalog(db)),
  ];
}

/**
 * Captured tables that are missing, whose triggers are missing or do not fire in every session, whose columns changed since
 * the capture, or whose function is not the one that this version makes.
 *
 * Caller: the doctor, and `npm run capture -- check`.
 * Locks: none.
 * Crash: nothing is written.
 */
async function findInCatalog(db: Database): Promise<CaptureProblem[]> {
  return db.query(
    (sql) => sql<CaptureProblem[]>`
      with captured as materialized (
        select t.*, c.oid, format('%I.%I', t.schema_name, t.table_name) as name,
          array(select a.name from auditbox.capture_columns(c.oid::regclass) a) as columns_now
        from auditbox.captured_table t
        left join pg_namespace n on n.nspname = t.schema_name
        left join pg_class c on c.relnamespace = n.oid and c.relname = t.table_name
      ), part as (
        select t.name as table, t.oid as root, t.function_name, p.relid
        from captured t cross join lateral auditbox.capture_tree(t.oid::regclass) p (relid)
        where t.oid is not null
      ), found as (
        select t.name as table, format('the captured table %s is missing', t.name) as says,
          format('select auditbox.forget_capture(%L, %L)', t.schema_name, t.table_name) as remedy
        from captured t where t.oid is null
        union all
        select p.table, format('the trigger %s on %I.%I is %s', w.trigger, n.nspname, c.relname, w.problem),
          format('select auditbox.recapture(%L)', p.table)
        from part p join pg_class c on c.oid = p.relid join pg_namespace n on n.oid = c.relnamespace
        -- As in pg_trigger.tgtype: 1 row, 2 before, 4 insert, 8 delete, 16 update, 32 truncate.
        cross join (values ('insert', 4, 'new_rows', null), ('update', 16, 'new_rows', 'old_rows'), ('delete', 8, null, 'old_rows'),
          ('truncate', 34, null, null), ('columns', 17, null, null)) as e (action, type, new_rows, old_rows)
        cross join lateral (
          select 'auditbox' || '_capture_' || e.action as trigger, (
            select case
              when count(*) = 0 then 'missing'
              when bool_or(e.action <> 'columns' and (f.proname <> p.function_name or fn.nspname <> 'auditbox')) then 'calling another function'
              when bool_or(g.tgtype <> e.type) then 'firing at other times'
              -- The trigger of the columns never fires, and watches the columns.
              when bool_or(e.action <> 'columns' and (g.tgqual is not null or cardinality(g.tgattr::int2[]) > 0)) then 'firing at other times'
              when bool_or(g.tgnewtable is distinct from e.new_rows or g.tgoldtable is distinct from e.old_rows) then 'without the changed rows'
              when bool_or(g.tgenabled = 'D') then 'disabled'
              when bool_or(g.tgenabled <> 'A' and e.action <> 'columns') then 'not enabled always'
            end
            from pg_trigger g join pg_proc f on f.oid = g.tgfoid join pg_namespace fn on fn.oid = f.pronamespace
            where g.tgrelid = p.relid and g.tgname = 'auditbox' || '_capture_' || e.action
          ) as problem
        ) w
        where w.problem is not null and (e.action <> 'columns' or p.relid = p.root)
        union all
        select t.name, format('the new column %I of %s is not recorded', column_name, t.name),
          format('select auditbox.recapture(%L)', t.name)
        from captured t cross join unnest(t.columns_now) as column_name
        where t.oid is not null and column_name <> all(t.columns)
        union all
        select t.name, format('the column %I of %s is gone, and every write fails', column_name, t.name),
          format('select auditbox.uncapture(%L), then auditbox.capture', t.name)
        from captured t cross join unnest(t.columns) as column_name
        where t.oid is not null and column_name <> all(t.columns_now)
        union all
        select t.name, format('the function %s is %s', t.function_name, case when f.oid is null then 'missing' else 'not as its capture makes it' end),
          format('select auditbox.recapture(%L)', t.name)
        from captured t cross join lateral auditbox.capture_body(t.oid::regclass, t.options) b
        left join pg_proc f on f.proname = t.function_name
          and f.pronamespace = (select n.oid from pg_namespace n where n.nspname = 'auditbox')
        where t.oid is not null and t.columns = t.columns_now and (f.prosrc = b.body and f.prosecdef) is not true
        union all
        -- Postgres fires only the triggers for rows there, and the capture's are for statements.
        select p.table, format('%I.%I gets changes from the subscription %I, and they are not recorded', n.nspname, c.relname, s.subname),
          'record them on the server that they come from'
        from part p join pg_subscription_rel r on r.srrelid = p.relid join pg_subscription s on s.oid = r.srsubid
        join pg_class c on c.oid = p.relid join pg_namespace n on n.oid = c.relnamespace
      )
      select * from found order by says`,
  );
}
