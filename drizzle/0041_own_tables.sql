-- Events that Auditbox writes about itself have table names such as `auditbox.api_key`, whatever name the schema has
-- (DATABASE_SCHEMA). Before, four functions had the name of the schema in them, so a filter by the documented name found no change of a
-- key in another schema. Events that are stored keep their name.
-- Locks: none.
--
-- The name of one of our tables in an event. It begins with the name of the product. It is put together, because `npm run migrate`
-- replaces the name of the schema in this text.
create function auditbox.own_table(name text) returns text
language sql immutable set search_path = pg_catalog, pg_temp
return 'auditbox.' || name;
--> statement-breakpoint
revoke all on function auditbox.own_table(text) from public;
--> statement-breakpoint
create or replace function auditbox.record_key_change(act text, key_id uuid, before_value json, updated_values json, by json)
returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform auditbox.make_month(statement_timestamp());
  insert into auditbox.audit_log (changed_by, action, table_name, object_id, before_value, updated_values, recorded_by)
  values (coalesce(by ->> 'changed_by', session_user), act, auditbox.own_table('api_key'), key_id::text, before_value, updated_values,
    coalesce(by ->> 'recorded_by', 'sql:' || session_user));
end $$;
--> statement-breakpoint
create or replace function auditbox.record_export_change(destination_name text, updated_values json, by json) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if by is null and coalesce(pg_has_role(session_user, to_regrole('auditbox_exporter')::oid, 'member'), true) then
    return;
  end if;
  perform auditbox.make_month(statement_timestamp());
  insert into auditbox.audit_log (changed_by, action, table_name, object_id, updated_values, recorded_by)
  values (coalesce(by ->> 'changed_by', session_user), 'updated', auditbox.own_table('destination'), destination_name, updated_values,
    coalesce(by ->> 'recorded_by', 'sql:' || session_user));
end $$;
--> statement-breakpoint
create or replace function auditbox.define_capture(target regclass, options json) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp set row_security = off set standard_conforming_strings = on as $$
declare
  it record;
  made auditbox.captured_table;
  before auditbox.captured_table;
  wrong text;
  function_name text;
  made_of record;
  keys text[] := array(select json_array_elements_text(options -> 'key'));
  -- Those that the trigger of audit_log refuses.
  odd_characters constant text :=
    '[\u0001-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]';
begin
  select n.nspname, c.relname, c.relkind, c.relpersistence, c.relispartition, c.relowner,
    pg_has_role(session_user, c.relowner, 'member') as is_ours
  into it
  from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = target;
  if not it.is_ours then
    raise exception 'only a member of the owner of %.% may capture it', it.nspname, it.relname
      using errcode = 'insufficient_privilege';
  end if;
  wrong := case
    when it.nspname in ('auditbox', 'pg_catalog', 'information_schema') then 'is a table of the system or of Auditbox'
    when it.relkind not in ('r', 'p') then 'is not a table'
    when it.relpersistence = 't' then 'is temporary'
    when it.relispartition then 'is a partition; capture the partitioned table'
  end;
  if wrong is not null then
    raise exception '%.% %', it.nspname, it.relname, wrong using errcode = 'wrong_object_type';
  end if;

  if cardinality(keys) = 0 then
    keys := array(
      select a.attname from pg_index i cross join unnest(i.indkey::int2[]) with ordinality as k (attnum, place)
      join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
      where i.indrelid = target and i.indisprimary order by k.place);
    if cardinality(keys) = 0 then
      raise exception '%.% has no primary key', it.nspname, it.relname
        using errcode = 'invalid_parameter_value', hint = 'Name the columns of a unique index in `key`. They must be NOT NULL.';
    end if;
  end if;
  options := json_build_object('key', keys,
    'exclude', coalesce(options -> 'exclude', '[]'), 'mask', coalesce(options -> 'mask', '[]'),
    'ignore', coalesce(options -> 'ignore', '[]'), 'max_value', coalesce((options ->> 'max_value')::integer, 16384),
    'require_actor', coalesce((options ->> 'require_actor')::boolean, false),
    'on_truncate', coalesce(options ->> 'on_truncate', 'refuse'),
    'name', coalesce(nullif(options ->> 'name', ''), it.nspname || '.' || it.relname));
  if options ->> 'on_truncate' not in ('refuse', 'record') then
    raise exception 'on_truncate is %; it can be refuse or record', options ->> 'on_truncate'
      using errcode = 'invalid_parameter_value';
  end if;
  -- Otherwise each write would fail.
  if octet_length(options ->> 'name') > 2048 or options ->> 'name' ~ odd_characters then
    raise exception 'the name of the events of %.% is longer than 2,048 bytes, or has a control, bidirectional or zero-width character',
      it.nspname, it.relname
      using errcode = 'invalid_parameter_value', hint = 'Give another one: name => ''...''.';
  end if;
  if (options ->> 'max_value')::integer < 64 then
    raise exception 'max_value is less than 64 bytes' using errcode = 'invalid_parameter_value';
  end if;
  select string_agg(format('%s has no column %s', o.part, named), '; ') into wrong
  from (values ('key'), ('exclude'), ('mask'), ('ignore')) as o (part)
  cross join json_array_elements_text(options -> o.part) as named
  where not exists (select from auditbox.capture_columns(target) c where c.name = named);
  if wrong is not null then
    raise exception '%.%: %', it.nspname, it.relname, wrong using errcode = 'undefined_column';
  end if;
  select string_agg(k, ', ') into wrong from unnest(keys) k
  where k in (select json_array_elements_text(options -> 'exclude') union all select json_array_elements_text(options -> 'mask'));
  if wrong is not null then
    raise exception 'the key % cannot be excluded or masked: it is the id of the object', wrong
      using errcode = 'invalid_parameter_value';
  end if;
  if not exists (
    select from pg_index i
    where i.indrelid = target and i.indisunique and i.indisvalid and i.indimmediate and i.indpred is null
      and i.indexprs is null
      and array(select a.attname::text from unnest(i.indkey::int2[]) with ordinality as k (attnum, place)
        join pg_attribute a on a.attrelid = target and a.attnum = k.attnum where k.place <= i.indnkeyatts) <@ keys
  ) or exists (select from auditbox.capture_columns(target) c where c.name = any(keys) and not c.is_set) then
    raise exception 'the key (%) of %.% does not name one row', array_to_string(keys, ', '), it.nspname, it.relname
      using errcode = 'invalid_parameter_value', hint = 'It needs a unique index, and each column must be NOT NULL.';
  end if;
  if not exists (
    select from auditbox.capture_columns(target) c
    where c.name not in (select json_array_elements_text(options -> 'exclude') union all select json_array_elements_text(options -> 'ignore'))
  ) then
    raise exception 'every column of %.% is excluded or ignored', it.nspname, it.relname
      using errcode = 'invalid_parameter_value';
  end if;

  select * into before from auditbox.captured_table t where t.schema_name = it.nspname and t.table_name = it.relname;
  function_name := before.function_name;
  -- A login that could choose the name of another table's function would change what is recorded there. A renamed table keeps
  -- the function that it was captured with.
  if function_name is null or octet_length(function_name) > 63 or exists (
    select from pg_trigger t join pg_proc p on p.oid = t.tgfoid join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'auditbox' and p.proname = function_name
      and t.tgrelid not in (select auditbox.capture_tree(target))
  ) then
    function_name := format('capture_%s_%s', regexp_replace(left(it.relname, 20), '[^A-Za-z0-9_]', '', 'g'),
      replace(gen_random_uuid()::text, '-', ''));
  end if;
  select * into made_of from auditbox.capture_body(target, options);
  execute format('create or replace function auditbox.%I() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp set row_security = off set standard_conforming_strings = on set quote_all_identifiers = off %s as %L',
    function_name, made_of.settings, made_of.body);
  execute format('revoke all on function auditbox.%I() from public', function_name);
  -- For CREATE TRIGGER alone; auditbox.capture takes it back.
  execute format('grant execute on function auditbox.%I() to %I', function_name, pg_get_userbyid(it.relowner));

  insert into auditbox.captured_table (schema_name, table_name, function_name, columns, options, captured_by)
  values (it.nspname, it.relname, function_name, array(select c.name from auditbox.capture_columns(target) c), options, session_user)
  on conflict (schema_name, table_name) do update
  set function_name = excluded.function_name, columns = excluded.columns, options = excluded.options,
    captured_at = excluded.captured_at, captured_by = excluded.captured_by
  returning * into made;
  insert into auditbox.audit_log (changed_by, action, table_name, object_id, before_value, updated_values)
  values ('db:' || session_user, case when before.table_name is null then 'created' else 'updated' end,
    auditbox.own_table('captured_table'), it.nspname || '.' || it.relname,
    case when before.table_name is not null then row_to_json(before) end, row_to_json(made));
  return function_name;
end $$;
--> statement-breakpoint
create or replace function auditbox.forget_capture(table_schema text, table_name text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set row_security = off as $$
#variable_conflict use_column
declare
  owner oid := (
    select c.relowner from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = forget_capture.table_schema and c.relname = forget_capture.table_name);
  gone auditbox.captured_table;
begin
  if owner is not null and not pg_has_role(session_user, owner, 'member') then
    raise exception 'only a member of the owner of %.% may end its capture', forget_capture.table_schema, forget_capture.table_name
      using errcode = 'insufficient_privilege';
  end if;
  delete from auditbox.captured_table t
  where t.schema_name = forget_capture.table_schema and t.table_name = forget_capture.table_name
  returning t.* into gone;
  if gone.table_name is null then
    raise exception '%.% is not captured', forget_capture.table_schema, forget_capture.table_name using errcode = 'undefined_object';
  end if;
  execute format('drop function if exists auditbox.%I()', gone.function_name);
  insert into auditbox.audit_log (changed_by, action, table_name, object_id, before_value)
  values ('db:' || session_user, 'deleted', auditbox.own_table('captured_table'), gone.schema_name || '.' || gone.table_name, row_to_json(gone));
end $$;
