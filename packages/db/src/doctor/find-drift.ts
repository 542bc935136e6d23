import type { Database } from '../database/connect.ts';
import type { ExpectedTable, ExpectedTrigger } from './expected-schema.ts';

export interface Drift {
  readonly kind: 'table' | 'column' | 'index' | 'check';
  /** With the name of its table: `outbox.batch_id`. */
  readonly name: string;
  readonly problem: 'missing' | 'of another type' | 'invalid';
}

/**
 * Expected objects that are missing or differ. Also every invalid index of these tables and their months: it slows each
 * insert down and serves no query.
 *
 * Caller: the doctor.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function findDrift(db: Database, tables: readonly ExpectedTable[]): Promise<Drift[]> {
  return db.query(
    (sql) => sql<Drift[]>`
      with tables as (
        select t.name, t.columns, t.indexes, t.checks, to_regclass(format('auditbox.%I', t.name)) as oid
        from json_to_recordset(${JSON.stringify(tables)}::text::json)
          as t(name text, columns json, indexes json, checks json)
      ), ours as (
        select oid from tables where oid is not null
        union select inhrelid from pg_inherits join tables on inhparent = oid
      )
      select 'table' as kind, name, 'missing' as problem from tables where oid is null
      union all
      select 'column', t.name || '.' || c.name, case when a.attname is null then 'missing' else 'of another type' end
      from tables t cross join json_to_recordset(t.columns) as c(name text, type text)
      left join pg_attribute a on a.attrelid = t.oid and a.attname = c.name and not a.attisdropped
      where t.oid is not null and format_type(a.atttypid, a.atttypmod) is distinct from c.type
      union all
      select 'index', i.name, 'missing'
      from tables t cross join json_array_elements_text(t.indexes) as i(name)
      where t.oid is not null and not exists (
        select from pg_index x join pg_class c on c.oid = x.indexrelid where x.indrelid = t.oid and c.relname = i.name
      )
      union all
      select 'index', x.indexrelid::regclass::text, 'invalid'
      from pg_index x where x.indrelid in (select oid from ours) and not (x.indisvalid and x.indisready)
      union all
      select 'check', t.name || '.' || k.name, case when c.oid is null then 'missing' else 'invalid' end
      from tables t cross join json_array_elements_text(t.checks) as k(name)
      left join pg_constraint c on c.conrelid = t.oid and c.conname = k.name
      where t.oid is not null and c.convalidated is not true
      order by kind, name`,
  );
}

export interface WrongTrigger {
  readonly table: string;
  readonly trigger: string;
  readonly problem:
    | 'missing'
    | 'disabled'
    | 'not enabled always'
    | 'calling another function'
    | 'firing at other times'
    | 'not a trigger of Auditbox';
  /** The statement that repairs it, or null. */
  readonly remedy: string | null;
}

/**
 * Triggers of our tables and months that are missing, do not fire in every session, or do something else. Also triggers of
 * others: one that returns null makes an event vanish. With `eachMonth` each month has those of its table.
 *
 * Caller: the doctor.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function findWrongTriggers(
  db: Database,
  triggers: readonly ExpectedTrigger[],
  { eachMonth = true }: { eachMonth?: boolean } = {},
): Promise<WrongTrigger[]> {
  return db.query(
    (sql) => sql<WrongTrigger[]>`
      with expected as (
        select to_regclass(format('auditbox.%I', e.table)) as oid, e.trigger as name, e.calls, e.type
        from json_to_recordset(${JSON.stringify(triggers)}::text::json)
          as e ("table" text, "trigger" text, calls text, type int)
      ), everywhere as (
        select oid, name, calls, type from expected
        union all
        select i.inhrelid, e.name, e.calls, e.type from expected e join pg_inherits i on i.inhparent = e.oid where ${String(eachMonth)}::text::boolean
      )
      select c.relname as table, e.name as trigger, w.problem,
        case when w.problem in ('disabled', 'not enabled always')
          then format('alter table %I.%I enable always trigger %I', n.nspname, c.relname, e.name) end as remedy
      from everywhere e join pg_class c on c.oid = e.oid join pg_namespace n on n.oid = c.relnamespace
      left join pg_trigger t on t.tgrelid = c.oid and t.tgname = e.name
      left join pg_proc p on p.oid = t.tgfoid
      cross join lateral (
        select case
          when t.oid is null then 'missing'
          when p.proname <> e.calls or p.pronamespace <> c.relnamespace then 'calling another function'
          when t.tgtype <> e.type or t.tgqual is not null or cardinality(t.tgattr::int2[]) > 0 then 'firing at other times'
          when t.tgenabled = 'D' then 'disabled'
          when t.tgenabled <> 'A' then 'not enabled always'
        end as problem
      ) w
      where w.problem is not null
      union all
      select c.relname, t.tgname, 'not a trigger of Auditbox',
        format('drop trigger %I on %I.%I', t.tgname, n.nspname, c.relname)
      from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
      where t.tgrelid in (select oid from everywhere) and not t.tgisinternal and t.tgparentid = 0
        and not exists (select from everywhere e where e.oid = t.tgrelid and e.name = t.tgname)
      order by 1, 2`,
  );
}
