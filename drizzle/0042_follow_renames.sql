-- A captured table that was renamed, alone or with its schema, is found by its triggers: `capture`, `recapture` and `uncapture` follow it.
-- Before, it could not be recaptured, its capture could not be ended, and the statement that the check named failed. `uncapture` also
-- takes the triggers of a detached partition, and of a table whose place in `captured_table` another table took.
-- Locks: none.
--
-- Writes the present name of a renamed table to captured_table. A name that a table has stands for that table.
create function auditbox.follow_rename(target regclass) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set row_security = off as $$
declare
  it record;
  before auditbox.captured_table;
  made auditbox.captured_table;
begin
  select n.nspname, c.relname into it from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = target;
  select t.* into before
  from auditbox.captured_table t
  join pg_proc p on p.proname = t.function_name join pg_namespace f on f.oid = p.pronamespace and f.nspname = 'auditbox'
  join pg_trigger own on own.tgfoid = p.oid and own.tgrelid = target and own.tgname = 'auditbox' || '_capture_insert'
  -- Only the table itself has this trigger. A partition has a copy of it.
  join pg_trigger root on root.tgrelid = target and root.tgname = 'auditbox' || '_capture_columns' and root.tgparentid = 0
  where (t.schema_name, t.table_name) <> (it.nspname, it.relname) and not exists (
    select from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = t.schema_name and c.relname = t.table_name)
  for update of t;
  if before.table_name is null or exists (
    -- The table that had this name before lives on under another one.
    select from auditbox.captured_table t
    join pg_proc p on p.proname = t.function_name join pg_namespace f on f.oid = p.pronamespace and f.nspname = 'auditbox'
    join pg_trigger g on g.tgfoid = p.oid
    where t.schema_name = it.nspname and t.table_name = it.relname
  ) then
    return;
  end if;
  delete from auditbox.captured_table t where t.schema_name = it.nspname and t.table_name = it.relname;
  update auditbox.captured_table t set schema_name = it.nspname, table_name = it.relname
  where t.schema_name = before.schema_name and t.table_name = before.table_name
  returning t.* into made;
  insert into auditbox.audit_log (changed_by, action, table_name, object_id, before_value, updated_values, context)
  values ('db:' || session_user, 'updated', auditbox.own_table('captured_table'), before.schema_name || '.' || before.table_name,
    row_to_json(before), row_to_json(made), json_build_object('new_object_id', it.nspname || '.' || it.relname));
end $$;
--> statement-breakpoint
revoke all on function auditbox.follow_rename(regclass) from public;
--> statement-breakpoint
create or replace function auditbox.capture(target regclass, key text[] default '{}', exclude text[] default '{}', mask text[] default '{}',
  ignore text[] default '{}', max_value integer default 16384, require_actor boolean default false, on_truncate text default 'refuse',
  name text default null)
returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform auditbox.follow_rename(target);
  perform auditbox.install_capture(target, json_build_object('key', key, 'exclude', exclude, 'mask', mask, 'ignore', ignore,
    'max_value', max_value, 'require_actor', require_actor, 'on_truncate', on_truncate, 'name', name));
end $$;
--> statement-breakpoint
create or replace function auditbox.recapture(target regclass) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  stored json;
begin
  perform auditbox.follow_rename(target);
  stored := auditbox.capture_options(target);
  if stored is null then
    raise exception '% is not captured', target using errcode = 'undefined_object';
  end if;
  perform auditbox.install_capture(target, stored);
end $$;
--> statement-breakpoint
create or replace function auditbox.uncapture(target regclass) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  it record;
  functions constant oid[] := array(
    select own.tgfoid from pg_trigger own join pg_proc p on p.oid = own.tgfoid join pg_namespace n on n.oid = p.pronamespace
    where own.tgrelid = target and n.nspname = 'auditbox' and starts_with(own.tgname, 'auditbox' || '_capture_'));
  is_captured boolean;
begin
  perform auditbox.follow_rename(target);
  is_captured := auditbox.capture_options(target) is not null;
  if not is_captured and cardinality(functions) = 0 then
    raise exception '% is not captured', target using errcode = 'undefined_object';
  end if;
  -- A partition alone would have a hole.
  select i.inhparent::regclass as name into it
  from pg_inherits i join pg_trigger t on t.tgrelid = i.inhparent where i.inhrelid = target and t.tgfoid = any (functions) limit 1;
  if not is_captured and it.name is not null then
    raise exception '% is captured as a part of %', target, it.name
      using errcode = 'wrong_object_type', hint = 'End the capture of the whole table.';
  end if;
  -- Of a captured table also those of a partition that was detached.
  for it in
    select t.tgname, t.tgrelid::regclass as relation
    from pg_trigger t
    where t.tgparentid = 0 and (t.tgrelid = target and t.tgname = 'auditbox' || '_capture_columns'
      or t.tgfoid = any (functions) and (is_captured or t.tgrelid in (select auditbox.capture_tree(target))))
  loop
    execute format('drop trigger %I on %s', it.tgname, it.relation);
  end loop;
  select n.nspname, c.relname into it from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = target;
  if is_captured then
    perform auditbox.forget_capture(it.nspname, it.relname);
  else
    perform auditbox.record('db:' || session_user, 'deleted', 'audit' || 'box.captured_table', it.nspname || '.' || it.relname,
      before_value => json_build_object('schema_name', it.nspname, 'table_name', it.relname));
  end if;
end $$;
