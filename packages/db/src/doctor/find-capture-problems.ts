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
 * Captured tables that are missing or have another name, whose triggers are missing or do not fire in every session, whose
 * columns or key changed since the capture, or whose function is not the one that this version makes. And tables with triggers
 * of a capture that nobody knows any more.
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
      ), capturing as (
        -- Which function records a table. Only the table itself has the trigger of the columns; a partition has a copy of it.
        select f.proname::text as function_name, format('%I.%I', n.nspname, c.relname) as name,
          exists (select from pg_inherits i where i.inhrelid = c.oid) as is_part, exists (
            select from pg_trigger r
            where r.tgrelid = c.oid and r.tgname = 'auditbox' || '_capture_columns' and r.tgparentid = 0
          ) as is_root
        from pg_trigger g join pg_proc f on f.oid = g.tgfoid join pg_namespace fn on fn.oid = f.pronamespace
        join pg_class c on c.oid = g.tgrelid join pg_namespace n on n.oid = c.relnamespace
        where fn.nspname = 'auditbox' and g.tgname = 'auditbox' || '_capture_insert'
      ), found as (
        select t.name as table,
          case when r.name is null then format('the captured table %s is missing', t.name)
            else format('the captured table %s is named %s now', t.name, r.name) end as says,
          case when r.name is null
            -- A partition that was detached has the triggers still.
            then (select coalesce(string_agg(format('select auditbox.uncapture(%L); ', p.name), '' order by p.name), '')
                from capturing p where p.function_name = t.function_name and not p.is_part)
              || format('select auditbox.forget_capture(%L, %L)', t.schema_name, t.table_name)
            else format('select auditbox.recapture(%L)', r.name) end as remedy
        from captured t left join capturing r on r.function_name = t.function_name and r.is_root
        where t.oid is null
        union all
        select r.name, format('the changes of %s are recorded by a capture that another table has taken over', r.name),
          format('select auditbox.uncapture(%L), or auditbox.capture', r.name)
        from capturing r where r.is_root and r.function_name not in (select t.function_name from captured t)
        union all
        select t.name, format('the key of %s does not name one row any more', t.name),
          format('give (%s) a unique index, each column NOT NULL; or select auditbox.capture with another key', k.columns)
        from captured t cross join lateral (
          select array_agg(given.name) as names, string_agg(quote_ident(given.name), ', ') as columns
          from json_array_elements_text(t.options -> 'key') as given (name)
        ) k
        -- As auditbox.capture demands it.
        where t.oid is not null and t.columns = t.columns_now and (not exists (
          select from pg_index i
          where i.indrelid = t.oid and i.indisunique and i.indisvalid and i.indimmediate and i.indpred is null and i.indexprs is null
            and array(select a.attname::text from unnest(i.indkey::int2[]) with ordinality as p (attnum, place)
              join pg_attribute a on a.attrelid = i.indrelid and a.attnum = p.attnum where p.place <= i.indnkeyatts) <@ k.names
        ) or exists (select from auditbox.capture_columns(t.oid::regclass) c where c.name = any (k.names) and not c.is_set))
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
