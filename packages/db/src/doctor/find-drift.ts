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

export interface IdleTrigger {
  readonly table: string;
  readonly trigger: string;
  readonly problem: 'missing' | 'disabled' | 'not enabled always';
  /** The statement that enables it; null for a missing one. */
  readonly remedy: string | null;
}

/**
 * Triggers of our tables and months that are missing, or that do not fire in every session.
 *
 * Caller: the doctor.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function findIdleTriggers(db: Database, triggers: readonly ExpectedTrigger[]): Promise<IdleTrigger[]> {
  return db.query(
    (sql) => sql<IdleTrigger[]>`
      with expected as (
        select to_regclass(format('auditbox.%I', e.table)) as oid, e.trigger as name
        from json_to_recordset(${JSON.stringify(triggers)}::text::json) as e ("table" text, "trigger" text)
      ), everywhere as (
        select oid, name from expected
        union all
        select i.inhrelid, e.name from expected e join pg_inherits i on i.inhparent = e.oid
      )
      select c.relname as table, e.name as trigger,
        case when t.oid is null then 'missing' when t.tgenabled = 'D' then 'disabled' else 'not enabled always' end as problem,
        case when t.oid is not null then format('alter table %I.%I enable always trigger %I', n.nspname, c.relname, e.name)
          end as remedy
      from everywhere e join pg_class c on c.oid = e.oid join pg_namespace n on n.oid = c.relnamespace
      left join pg_trigger t on t.tgrelid = c.oid and t.tgname = e.name
      where t.tgenabled is distinct from 'A'
      order by c.relname, e.name`,
  );
}
