-- Capture of any table: a trigger writes an event for each row that is inserted, updated or deleted, in the transaction of
-- the application. `auditbox.capture` makes a function for each table, so nothing is looked up or composed at a write.
--
-- The function runs with the rights of the owner, so it must not run code of the table's owner. A type that somebody made
-- may have a cast to json or text, which is such code. So these types are printed by their output function alone, and a
-- column that has another type than at the capture is refused before it is read.
--
-- Locks: only what it makes. `auditbox.capture` locks its table like CREATE TRIGGER: writers wait for some milliseconds.
--
create table auditbox.captured_table (
  schema_name text not null,
  table_name text not null,
  function_name text not null,
  columns text[] not null,
  options json not null,
  captured_at timestamp(6) with time zone not null default now(),
  captured_by text not null,
  constraint captured_table_pkey primary key (schema_name, table_name)
);
--> statement-breakpoint
-- Says who acts in this transaction, for captured tables. The settings end with the transaction, so they are safe behind a
-- pooler. The name of a setting is the same whatever the schema's name is, so it is not written in one piece.
create function auditbox.as(actor text, context json default null, api_key text default null) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if coalesce(actor, '') = '' then
    raise exception 'the actor is empty' using errcode = 'invalid_parameter_value';
  end if;
  if json_typeof(context) <> 'object' then
    raise exception 'the context is not a JSON object' using errcode = 'invalid_parameter_value';
  end if;
  perform set_config('audit' || 'box.actor', actor, true), set_config('audit' || 'box.api_key', coalesce(api_key, ''), true),
    set_config('audit' || 'box.context', coalesce(context::text, ''), true);
end $$;
--> statement-breakpoint
-- The columns of a table that a capture can read, and how. A virtual column has no value in a trigger.
create function auditbox.capture_columns(target regclass)
returns table (name text, place integer, type_name text, kind text, is_built_in boolean, is_long boolean,
  is_set boolean)
language sql stable set search_path = pg_catalog, pg_temp as $$
  with recursive col as (
    select a.attname, a.attnum, a.atttypid, a.attlen, a.attnotnull
    from pg_attribute a
    where a.attrelid = target and a.attnum > 0 and not a.attisdropped and a.attgenerated <> 'v'
  ), inner_type as (
    -- Through domains and arrays, down to the type that has the text.
    select c.attnum, t.oid, t.typtype, t.typbasetype, t.typelem, t.typcategory, 0 as arrays
    from col c join pg_type t on t.oid = c.atttypid
    union all
    select i.attnum, t.oid, t.typtype, t.typbasetype, t.typelem, t.typcategory,
      i.arrays + case when i.typtype <> 'd' then 1 else 0 end
    from inner_type i join pg_type t
      on t.oid = case when i.typtype = 'd' then i.typbasetype when i.typcategory = 'A' then i.typelem end
  ), last as (
    select distinct on (attnum) * from inner_type order by attnum, arrays desc, (typtype = 'd'), oid
  )
  select c.attname::text, c.attnum::integer, format_type(c.atttypid, null),
    case
      when l.oid < 16384 and l.typtype <> 'c' and l.arrays > 0 then 'array'
      when l.oid < 16384 and l.typtype <> 'c' then
        case when l.oid in ('json'::regtype, 'bytea'::regtype) then format_type(l.oid, null)
          when l.oid in ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype, 'name'::regtype, 'xml'::regtype) then 'text'
          when l.oid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'bool'::regtype, 'uuid'::regtype,
            'numeric'::regtype, 'jsonb'::regtype, 'oid'::regtype) then 'plain'
          else 'session' end
      when l.arrays = 1 and l.typtype = 'e' then 'names'
      else 'foreign'
    end,
    c.atttypid < 16384, c.attlen < 0 and l.oid <> 'numeric'::regtype, c.attnotnull
  from col c join last l on l.attnum = c.attnum
  order by c.attnum
$$;
--> statement-breakpoint
-- The body of the function that captures a table, and the settings on which its texts depend. `options` is what
-- auditbox.capture stores. Refuses nothing, so that the doctor can compare it with what runs.
create function auditbox.capture_body(target regclass, options json, out body text, out settings text)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  most constant integer := (options ->> 'max_value')::integer;
  keys constant text[] := array(select json_array_elements_text(options -> 'key'));
  masked constant text[] := array(select json_array_elements_text(options -> 'mask'));
  is_long boolean;
  key_of text;
  key_is_long boolean;
  guard text;
  plain text;
  cut text;
  watched text;
  -- Stands for the name of the row in what is made for both rows. No column can contain it.
  mark constant text := '<' || md5(options::text) || '>';
  event constant text := 'insert into auditbox.audit_log
      (occurred_at, changed_by, changed_by_api_key, action, table_name, object_id, before_value, updated_values, context)
    select happened_at, actor, api_key, ';
  changes text;
begin
  select
    -- As text where the owner of Auditbox may not name the type: a domain of another schema.
    string_agg(format(case when c.is_built_in then 'pg_typeof(%s.%I) = %L::regtype' else 'pg_typeof(%s.%I)::text = %L' end,
        mark, c.name, c.type_name), ' and ' order by c.place)
      filter (where c.kind not in ('foreign', 'names')),
    string_agg(format(replace(case
        when c.name = any(masked) then 'case when @.%1$I is not null then %2$L end'
        when c.kind = 'foreign' then 'case when @.%1$I is not null then format(''%%s'', @.%1$I) end'
        when c.kind = 'names' then 'case when @.%1$I is not null then array(select case when e is not null then format(''%%s'', e) end from unnest(@.%1$I) e) end'
        when c.kind = 'json' then 'case when strpos(@.%1$I::text, ''\u'') > 0 and auditbox.is_unreadable(@.%1$I) then to_json(@.%1$I::text) else @.%1$I end'
        else '@.%1$I' end || ' as %1$I', '@', mark), c.name, format('[redacted:%s]', c.name)), ', ' order by c.place)
      filter (where not e.is_excluded),
    string_agg(case
        when not c.is_long or c.name = any(masked) then format('w.%1$I', c.name)
        when c.kind = 'bytea' then format(replace('case when octet_length(@.%1$I) > %2$s then json_build_object(''length'', octet_length(@.%1$I), ''sha256'', encode(sha256(@.%1$I), ''hex'')) else to_json(w.%1$I) end as %1$I', '@', mark), c.name, most)
        else format(replace('case when octet_length(format(''%%s'', @.%1$I)) > %2$s then json_build_object(''length'', octet_length(format(''%%s'', @.%1$I)), ''sha256'', encode(sha256(convert_to(format(''%%s'', @.%1$I), ''UTF8'')), ''hex'')) else to_json(w.%1$I) end as %1$I', '@', mark), c.name, most)
      end, ', ' order by c.place)
      filter (where not e.is_excluded),
    string_agg(format('%s.%I', mark, c.name), ', ' order by c.place) filter (where not e.is_excluded and not e.is_ignored),
    coalesce(bool_or(c.is_long) filter (where not e.is_excluded and c.name <> all(masked)), false),
    case when bool_or(c.kind not in ('plain', 'text', 'json')) then
      ' set TimeZone = ''UTC'' set DateStyle = ''ISO, YMD'' set IntervalStyle = ''postgres'' set extra_float_digits = 1 set bytea_output = ''hex'''
      else '' end
  into guard, plain, cut, watched, is_long, settings
  from auditbox.capture_columns(target) c cross join lateral (
    select c.name = any(array(select json_array_elements_text(options -> 'exclude'))) as is_excluded,
      c.name = any(array(select json_array_elements_text(options -> 'ignore'))) as is_ignored
  ) e;

  select case when count(*) > 1
      then format('json_build_array(%s)::text', string_agg(
        case when c.kind in ('foreign', 'names') then format('format(''%%s'', %s.%I)', mark, c.name) else format('%s.%I', mark, c.name) end,
        ', ' order by k.place))
      else max(case when c.kind in ('plain', 'text') then format('%s.%I::text', mark, c.name) else format('format(''%%s'', %s.%I)', mark, c.name) end)
    end, bool_or(c.is_long)
  into key_of, key_is_long
  from unnest(keys) with ordinality as k (name, place) join auditbox.capture_columns(target) c on c.name = k.name;
  -- An object's id must fit an index.
  if key_is_long then
    key_of := format('case when octet_length(%1$s) <= 2048 then %1$s else ''sha256:'' || encode(sha256(convert_to(%1$s, ''UTF8'')), ''hex'') end', key_of);
  end if;

  -- Only a row that is longer than the limit can have a value that is. `offset 0`: the JSON is made once.
  changes := format('cross join lateral (select row_to_json("the values") as whole from (select %s) "the values"%s) %sv', plain,
    case when is_long then ' offset 0' else '' end, mark);
  if is_long then
    cut := format('case when octet_length(%1$sv.whole::text) <= %2$s then %1$sv.whole else (select row_to_json("the values") from (select %3$s from (select %4$s) w) "the values") end',
      mark, most, cut, plain);
  else
    cut := mark || 'v.whole';
  end if;

  -- Columns may have the names of these variables, but every column is qualified.
  body := format($body$
#variable_conflict use_variable
declare
  actor text := nullif(current_setting(%1$L, true), '');
  api_key text := coalesce(current_setting(%2$L, true), '');
  given text := nullif(current_setting(%3$L, true), '');
  context json;
  happened_at timestamptz := clock_timestamp();
  row_count bigint := 1;
  is_same boolean := true;
begin
  if tg_op = 'INSERT' then
    select count(*), bool_and(%4$s) into row_count, is_same from (select * from new_rows limit 2) n;
  elsif tg_op = 'UPDATE' then
    select count(*), bool_and(%4$s) into row_count, is_same from (select * from new_rows limit 2) n;
  elsif tg_op = 'DELETE' then
    select count(*), bool_and(%5$s) into row_count, is_same from (select * from old_rows limit 2) o;
  elsif %6$L = 'refuse' then
    raise exception 'TRUNCATE of the captured table %%.%% is refused', tg_table_schema, tg_table_name
      using errcode = 'insufficient_privilege', schema = tg_table_schema, table = tg_table_name,
            hint = 'DELETE writes an event for each row. To allow TRUNCATE, capture the table with on_truncate => ''record''.';
  end if;
  if row_count = 0 then
    return null;
  end if;
  if not is_same then
    raise exception 'a column of the captured table %%.%% has another type than at its capture', tg_table_schema, tg_table_name
      using errcode = 'datatype_mismatch', schema = tg_table_schema, table = tg_table_name, hint = 'Capture the table again: auditbox.recapture.';
  end if;
  if actor is null then
    if %7$L then
      raise exception 'nobody said who changes the table %%.%%', tg_table_schema, tg_table_name
        using errcode = 'insufficient_privilege', schema = tg_table_schema, table = tg_table_name,
              hint = 'In the same transaction, first: select auditbox.as(''who'').';
    end if;
    actor := 'db:' || session_user;
  end if;
  context := json_strip_nulls(json_build_object('db_user', session_user,
    'application_name', nullif(current_setting('application_name'), ''), 'xid', pg_current_xact_id()::text));
  if given is not null then
    if jsonb_typeof(given::jsonb) <> 'object' then
      raise exception 'the setting %% is not a JSON object', %3$L using errcode = 'invalid_parameter_value';
    end if;
    context := (given::jsonb || context::jsonb)::json;
  end if;
$body$,
    'audit' || 'box.actor', 'audit' || 'box.api_key', 'audit' || 'box.context',
    coalesce(replace(guard, mark, 'n'), 'true'), coalesce(replace(guard, mark, 'o'), 'true'),
    options ->> 'on_truncate', (options ->> 'require_actor')::boolean)
  || format($body$
  if tg_op = 'INSERT' then
    %1$s'created', %2$L, %3$s, null, %4$s, context
    from new_rows n %5$s;
  elsif tg_op = 'DELETE' then
    %1$s'deleted', %2$L, %6$s, %7$s, null, context
    from old_rows o %8$s;
$body$,
    event, options ->> 'name', replace(key_of, mark, 'n'), replace(cut, mark, 'n'), replace(changes, mark, 'n'),
    replace(key_of, mark, 'o'), replace(cut, mark, 'o'), replace(changes, mark, 'o'))
  || format($body$
  elsif tg_op = 'UPDATE' and row_count = 1 then
    %1$s'updated', %2$L, %3$s, %4$s, %5$s,
      case when %3$s = %6$s then context else (context::jsonb || jsonb_build_object('new_object_id', %6$s))::json end
    from old_rows o cross join new_rows n %7$s %8$s
    where row(%9$s)::record operator(pg_catalog.*<>) row(%10$s)::record;
  elsif tg_op = 'UPDATE' then
    -- Both hold the rows in the order of the update, so a place and not a key makes the pairs. A full join cannot be done by
    -- a nested loop, whatever the number of rows was when it was planned.
    %1$s'updated', %2$L, %3$s, %4$s, %5$s,
      case when %3$s = %6$s then context else (context::jsonb || jsonb_build_object('new_object_id', %6$s))::json end
    from (select row_number() over () as "place of the pair", r.* from old_rows r) o
    full join (select row_number() over () as "place of the pair", r.* from new_rows r) n
      on n."place of the pair" = o."place of the pair" %7$s %8$s
    where row(%9$s)::record operator(pg_catalog.*<>) row(%10$s)::record;
  else
    insert into auditbox.audit_log (occurred_at, changed_by, changed_by_api_key, action, table_name, object_id, context)
    values (happened_at, actor, api_key, 'deleted', %2$L, '*', (context::jsonb || '{"truncated": true}')::json);
  end if;
  return null;
end $body$,
    event, options ->> 'name', replace(key_of, mark, 'o'), replace(cut, mark, 'o'), replace(cut, mark, 'n'),
    replace(key_of, mark, 'n'), replace(changes, mark, 'o'), replace(changes, mark, 'n'),
    replace(watched, mark, 'o'), replace(watched, mark, 'n'));
end $$;
--> statement-breakpoint
-- Makes or replaces the function of a table, notes the capture, and returns the function's name. The caller of
-- auditbox.capture must be a member of the table's owner: session_user, because nothing else is known here.
create function auditbox.define_capture(target regclass, options json) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp set row_security = off as $$
declare
  it record;
  made auditbox.captured_table;
  before auditbox.captured_table;
  wrong text;
  function_name text;
  made_of record;
  keys text[] := array(select json_array_elements_text(options -> 'key'));
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

  function_name := 'capture_' || left(it.relname, 40) || '_' || left(md5(it.nspname || '.' || it.relname), 8);
  select * into made_of from auditbox.capture_body(target, options);
  execute format('create or replace function auditbox.%I() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp set row_security = off %s as %L',
    function_name, made_of.settings, made_of.body);
  execute format('revoke all on function auditbox.%I() from public', function_name);
  -- For CREATE TRIGGER alone; auditbox.capture takes it back.
  execute format('grant execute on function auditbox.%I() to %I', function_name, pg_get_userbyid(it.relowner));

  select * into before from auditbox.captured_table t where t.schema_name = it.nspname and t.table_name = it.relname;
  insert into auditbox.captured_table (schema_name, table_name, function_name, columns, options, captured_by)
  values (it.nspname, it.relname, function_name, array(select c.name from auditbox.capture_columns(target) c), options, session_user)
  on conflict (schema_name, table_name) do update
  set function_name = excluded.function_name, columns = excluded.columns, options = excluded.options,
    captured_at = excluded.captured_at, captured_by = excluded.captured_by
  returning * into made;
  insert into auditbox.audit_log (changed_by, action, table_name, object_id, before_value, updated_values)
  values ('db:' || session_user, case when before.table_name is null then 'created' else 'updated' end,
    'auditbox.captured_table', it.nspname || '.' || it.relname,
    case when before.table_name is not null then row_to_json(before) end, row_to_json(made));
  return function_name;
end $$;
--> statement-breakpoint
-- Takes back what define_capture granted.
create function auditbox.hide_capture(target regclass) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set row_security = off as $$
declare
  it record;
begin
  select t.function_name, pg_get_userbyid(c.relowner) as owner into it
  from auditbox.captured_table t join pg_namespace n on n.nspname = t.schema_name
  join pg_class c on c.relnamespace = n.oid and c.relname = t.table_name
  where c.oid = target;
  if it.owner <> current_user then
    execute format('revoke all on function auditbox.%I() from %I', it.function_name, it.owner);
  end if;
end $$;
--> statement-breakpoint
-- Captures a table from now on, or changes how it is captured. Call it in a migration of the table's owner.
create function auditbox.capture(target regclass, key text[] default '{}', exclude text[] default '{}',
  mask text[] default '{}', ignore text[] default '{}', max_value integer default 16384, require_actor boolean default false,
  on_truncate text default 'refuse', name text default null)
returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform auditbox.install_capture(target, json_build_object('key', key, 'exclude', exclude, 'mask', mask, 'ignore', ignore,
    'max_value', max_value, 'require_actor', require_actor, 'on_truncate', on_truncate, 'name', name));
end $$;
--> statement-breakpoint
-- Captures a table again with the options that it has, after its columns or partitions changed.
create function auditbox.recapture(target regclass) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  stored json := auditbox.capture_options(target);
begin
  if stored is null then
    raise exception '% is not captured', target using errcode = 'undefined_object';
  end if;
  perform auditbox.install_capture(target, stored);
end $$;
--> statement-breakpoint
-- The options of a captured table, or null.
create function auditbox.capture_options(target regclass) returns json
language sql stable security definer set search_path = pg_catalog, pg_temp set row_security = off as $$
  select t.options
  from auditbox.captured_table t join pg_namespace n on n.nspname = t.schema_name
  join pg_class c on c.relnamespace = n.oid and c.relname = t.table_name
  where c.oid = target
$$;
--> statement-breakpoint
-- Makes the function as the owner of Auditbox, and the triggers as the caller. A statement fires the triggers of the table
-- that it names, so each partition has them too. `always`: a session in the role `replica` is captured as well.
create function auditbox.install_capture(target regclass, options json) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  function_name text;
  part record;
  fires record;
  trigger_name text;
  captured text;
begin
  -- The table must not change between the look at its columns and the triggers.
  execute format('lock table %s in share row exclusive mode', target);
  function_name := auditbox.define_capture(target, options);
  for part in
    select format('%I.%I', n.nspname, c.relname) as name, c.relkind = 'f' as is_foreign
    from (select target as relid union select p.relid from pg_partition_tree(target) p) tree
    join pg_class c on c.oid = tree.relid join pg_namespace n on n.oid = c.relnamespace
  loop
    if part.is_foreign then
      raise exception 'the partition % is a foreign table', part.name using errcode = 'wrong_object_type';
    end if;
    for fires in
      select * from (values
        ('insert', 'after', 'referencing new table as new_rows'),
        ('update', 'after', 'referencing old table as old_rows new table as new_rows'),
        ('delete', 'after', 'referencing old table as old_rows'),
        ('truncate', 'before', '')) as f (action, moment, tables)
    loop
      trigger_name := 'auditbox' || '_capture_' || fires.action;
      execute format('create or replace trigger %I %s %s on %s %s for each statement execute function auditbox.%I()',
        trigger_name, fires.moment, fires.action, part.name, fires.tables, function_name);
      execute format('alter table %s enable always trigger %I', part.name, trigger_name);
    end loop;
  end loop;
  -- It never fires. It keeps a captured column from being dropped or getting another type: without it such a migration
  -- succeeds, and all later writes fail. Its function is everybody's, because a new partition gets the trigger too.
  select string_agg(format('%I', c.name), ', ' order by c.place) into captured from auditbox.capture_columns(target) c;
  execute format('create or replace trigger %I after update of %s on %s for each row when (false) execute function suppress_redundant_updates_trigger()',
    'auditbox' || '_capture_columns', captured, target);
  perform auditbox.hide_capture(target);
end $$;
--> statement-breakpoint
-- Ends the capture of a table. What was recorded stays.
create function auditbox.uncapture(target regclass) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  it record;
begin
  -- Also those of a partition that was detached.
  for it in
    select t.tgname, t.tgrelid::regclass as relation
    from pg_trigger t
    where t.tgparentid = 0 and (t.tgrelid = target and t.tgname = 'auditbox' || '_capture_columns' or t.tgfoid in (
      select own.tgfoid from pg_trigger own join pg_proc p on p.oid = own.tgfoid join pg_namespace n on n.oid = p.pronamespace
      where own.tgrelid = target and n.nspname = 'auditbox' and starts_with(own.tgname, 'auditbox' || '_capture_')))
  loop
    execute format('drop trigger %I on %s', it.tgname, it.relation);
  end loop;
  perform auditbox.forget_capture(n.nspname, c.relname)
  from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = target;
end $$;
--> statement-breakpoint
-- Forgets a capture whose triggers are gone, also of a table that was dropped or has another name now.
create function auditbox.forget_capture(table_schema text, table_name text) returns void
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
  values ('db:' || session_user, 'deleted', 'auditbox.captured_table', gone.schema_name || '.' || gone.table_name, row_to_json(gone));
end $$;
