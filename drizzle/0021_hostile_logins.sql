-- Closes ways by which a login that may capture its tables ran code with the owner's rights, by which the login of retention
-- dropped an event that its snapshot did not show, and by which a writer filled the memory of every exporter.
-- Locks: nothing that a reader or writer waits for.
--
-- The type below domains and arrays, in words: `text`, `integer[]`, `an enum[]`. A name says nothing, because somebody may
-- give it to another type.
create function auditbox.type_under(type_oid oid) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  t record;
  arrays text := '';
begin
  loop
    select p.typtype, p.typbasetype, p.typelem, p.typcategory into t from pg_type p where p.oid = type_oid;
    if t.typtype = 'd' then
      type_oid := t.typbasetype;
    elsif t.typcategory = 'A' and t.typelem <> 0 then
      type_oid := t.typelem;
      arrays := arrays || '[]';
    else
      return case when type_oid < 16384 and t.typtype <> 'c' then format_type(type_oid, null) when t.typtype = 'e' then 'an enum'
        else 'another type' end || arrays;
    end if;
  end loop;
end $$;
--> statement-breakpoint
-- Functions that count what others wrote must see it. A transaction that keeps one snapshot would drop a month with an event
-- that was recorded after its snapshot.
create function auditbox.require_fresh_snapshots() returns void
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
    raise exception 'a % transaction keeps its first snapshot and would overlook later rows', current_setting('transaction_isolation')
      using errcode = 'invalid_transaction_state', hint = 'Use the isolation level read committed.';
  end if;
end $$;
--> statement-breakpoint
create or replace function auditbox.capture_columns(target regclass)
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
  select c.attname::text, c.attnum::integer,
    case when c.atttypid < 16384 then format_type(c.atttypid, null)
      else auditbox.type_under(c.atttypid) end,
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
create or replace function auditbox.capture_body(target regclass, options json, out body text, out settings text)
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
    -- By what is under a type that somebody made: another type may have got its name.
    string_agg(format(case when c.is_built_in then 'pg_typeof(%s.%I) = %L::regtype'
        else 'auditbox.type_under(pg_typeof(%s.%I)) = %L' end, mark, c.name, c.type_name), ' and ' order by c.place)
      filter (where c.kind <> 'foreign'),
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
  -- Without its transition tables a trigger would read a temporary view of their names, and so run the view's functions.
  if (to_regclass('new_rows') is not null or to_regclass('old_rows') is not null) and not exists (
    select from pg_trigger t
    where t.tgrelid = tg_relid and t.tgname = tg_name and not t.tgisinternal
      and (t.tgnewtable = 'new_rows' or tg_op not in ('INSERT', 'UPDATE'))
      and (t.tgoldtable = 'old_rows' or tg_op not in ('DELETE', 'UPDATE'))
  ) then
    raise exception 'the trigger %% on %%.%% was not made by a capture', tg_name, tg_table_schema, tg_table_name
      using errcode = 'insufficient_privilege', schema = tg_table_schema, table = tg_table_name,
            hint = 'Capture the table again: auditbox.recapture.';
  end if;
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
create or replace function auditbox.define_capture(target regclass, options json) returns text
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

  select * into before from auditbox.captured_table t where t.schema_name = it.nspname and t.table_name = it.relname;
  function_name := before.function_name;
  -- A login that could choose the name of another table's function would change what is recorded there. A renamed table keeps
  -- the function that it was captured with.
  if function_name is null or octet_length(function_name) > 63 or exists (
    select from pg_trigger t join pg_proc p on p.oid = t.tgfoid join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'auditbox' and p.proname = function_name
      and t.tgrelid not in (select target union all select p.relid from pg_partition_tree(target) p)
  ) then
    function_name := format('capture_%s_%s', regexp_replace(left(it.relname, 20), '[^A-Za-z0-9_]', '', 'g'),
      replace(gen_random_uuid()::text, '-', ''));
  end if;
  select * into made_of from auditbox.capture_body(target, options);
  execute format('create or replace function auditbox.%I() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp set row_security = off %s as %L',
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
    'auditbox.captured_table', it.nspname || '.' || it.relname,
    case when before.table_name is not null then row_to_json(before) end, row_to_json(made));
  return function_name;
end $$;
--> statement-breakpoint
-- The functions of the captures that exist get the new body. Their triggers stay.
do $$
declare
  it record;
begin
  for it in
    select p.oid::regprocedure as function, b.body, b.settings
    from auditbox.captured_table t join pg_catalog.pg_namespace n on n.nspname = t.schema_name
    join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = t.table_name
    cross join lateral auditbox.capture_body(c.oid::regclass, t.options) b
    join pg_catalog.pg_proc p on p.proname = t.function_name
    join pg_catalog.pg_namespace own on own.oid = p.pronamespace and own.nspname = 'auditbox'
    where t.columns = array(select a.name from auditbox.capture_columns(c.oid::regclass) a)
  loop
    execute pg_catalog.format('create or replace function %s returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp set row_security = off %s as %L',
      it.function, it.settings, it.body);
  end loop;
end $$;
--> statement-breakpoint
create or replace function auditbox.close_month(month_name text) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp set row_security = off set lock_timeout = '500ms' as $$
declare
  month record;
begin
  perform auditbox.require_fresh_snapshots();
  select * into month from auditbox.list_months() m where m.name = month_name;
  if not found then
    raise exception '% is not a month of audit_log', month_name using errcode = 'invalid_parameter_value';
  elsif month.ends_at > clock_timestamp() then
    raise exception 'the month % is not over', month_name using errcode = 'insufficient_privilege', table = 'audit_log';
  elsif not month.is_closed then
    execute format('alter table auditbox.%I add constraint audit_log_month_closed check (false) not valid', month_name);
  end if;
exception when duplicate_object then
  null; -- Another process closed it.
end $$;
--> statement-breakpoint
create or replace function auditbox.drop_month(month_name text, destination_name text) returns boolean language plpgsql
security definer set search_path = pg_catalog, pg_temp set row_security = off set lock_timeout = '500ms' as $$
declare
  month record;
begin
  perform auditbox.require_fresh_snapshots();
  select * into month from auditbox.list_months() m where m.name = month_name;
  if not found then
    return true; -- Another process dropped it.
  elsif not month.is_closed then
    raise exception 'the month % is not closed', month_name using errcode = 'insufficient_privilege', table = 'audit_log';
  end if;
  -- A destination that is added now would get deliveries whose events are dropped here.
  lock table auditbox.destination in share mode;
  if auditbox.count_unarchived(month_name, destination_name) > 0 then
    return false;
  end if;
  execute format('drop table auditbox.%I', month_name);
  return true;
end $$;
--> statement-breakpoint
create or replace function auditbox.forget_dropped(max_batches integer) returns integer
language plpgsql security definer
set search_path = pg_catalog, pg_temp set row_security = off set plan_cache_mode = force_custom_plan
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off as $$
declare
  existing tstzmultirange;
  month timestamp := '-infinity';
  last_ids int8multirange;
  forgotten integer := 0;
  latest integer;
begin
  perform auditbox.require_fresh_snapshots();
  select coalesce(range_agg(tstzrange(m.starts_at, m.ends_at)), '{}') into existing from auditbox.list_months() m;
  while forgotten < max_batches loop
    select date_trunc('month', b.first_occurred_at at time zone 'UTC') into month
    from auditbox.batch b
    where date_trunc('month', b.first_occurred_at at time zone 'UTC') > month
    order by 1 limit 1;
    exit when not found;
    continue when existing && tstzrange(month at time zone 'UTC', (month + interval '1 month') at time zone 'UTC');
    -- A batch of a replay has the ids of another one.
    select b.outbox_ids into last_ids
    from auditbox.batch b
    where date_trunc('month', b.first_occurred_at at time zone 'UTC') = month and b.replay_for is null
    order by b.id desc limit 1;
    -- The rows of a batch go together, so its first row stands for all.
    continue when not exists (select from auditbox.outbox o where o.id = lower(last_ids));
    with gone as materialized (
      select b.outbox_ids
      from auditbox.batch b
      where date_trunc('month', b.first_occurred_at at time zone 'UTC') = month and b.replay_for is null
        and exists (select from auditbox.outbox o where o.id = lower(b.outbox_ids))
      order by b.id
      limit max_batches - forgotten
    ), deleted as (
      delete from auditbox.outbox o
      using (select unnest(outbox_ids) as ids from gone) r
      where o.id >= lower(r.ids) and o.id < upper(r.ids)
    )
    select count(*) into latest from gone;
    forgotten := forgotten + latest;
  end loop;
  return forgotten;
end $$;
--> statement-breakpoint
create or replace function auditbox.repair_frontier() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set row_security = off as $$
begin
  perform auditbox.require_fresh_snapshots();
  insert into auditbox.frontier default values on conflict do nothing;
  perform from auditbox.frontier for update;
  -- The lock came first, so this snapshot sees the batches of every seal before.
  update auditbox.frontier
  set sealed_up_to = b.last, gaps = int8multirange(int8range(1, b.last + 1)) - b.ids, closing = '{}', closing_xid = null
  from (
    select coalesce(max(upper(outbox_ids)) - 1, 0) as last, coalesce(range_agg(outbox_ids), '{}') as ids
    from auditbox.batch where replay_for is null
  ) b;
end $$;
--> statement-breakpoint
create or replace function auditbox.check_new_batches() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp set row_security = off set enable_seqscan = off
set plan_cache_mode = force_custom_plan as $$
declare
  new_ids bigint[];
  all_ids int8multirange;
  total bigint;
begin
  -- A sealer that found the lock taken inserts nothing, and must not wait for it here.
  if not exists (select from inserted n where n.replay_for is null) then
    return null;
  end if;
  -- A snapshot from before the lock would not see the batches that others made.
  perform auditbox.require_fresh_snapshots();
  perform from auditbox.frontier for update;
  select array_agg(n.id), range_agg(n.outbox_ids), sum((select sum(upper(r) - lower(r)) from unnest(n.outbox_ids) as r))
  into new_ids, all_ids, total
  from inserted n where n.replay_for is null;
  if total <> (select sum(upper(r) - lower(r)) from unnest(all_ids) as r)
    or exists (
      select from auditbox.batch b
      where b.outbox_ids && all_ids and b.replay_for is null and b.id <> all (new_ids)
    ) then
    raise exception 'an outbox id would be in two batches'
      using errcode = 'exclusion_violation', constraint = 'batch_ids_are_in_one_batch',
            schema = tg_table_schema, table = tg_table_name, hint = 'select auditbox.repair_frontier()';
  end if;
  return null;
end $$;
--> statement-breakpoint
create or replace function auditbox.check_new_rejection() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set row_security = off as $$
begin
  if not exists (
    select from auditbox.delivery d join auditbox.batch b on b.id = d.batch_id join auditbox.outbox o on o.id = new.outbox_id
    where d.destination = new.destination and d.batch_id = new.batch_id and d.state = 'sending'
      and b.outbox_ids @> new.outbox_id and o.audit_id = new.audit_id and o.occurred_at = new.occurred_at
  ) then
    raise exception 'no delivery to % with the row % is being sent', new.destination, new.outbox_id
      using errcode = 'insufficient_privilege', schema = tg_table_schema, table = tg_table_name;
  end if;
  return new;
end $$;
--> statement-breakpoint
create or replace function auditbox.audit_log_to_outbox() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp set row_security = off set standard_conforming_strings = on
set quote_all_identifiers = off as $$
declare
  ids uuid[];
  times timestamptz[];
  sizes integer[];
  latest timestamptz;
  is_dated boolean;
  has_escapes boolean;
  is_forged boolean;
  is_odd boolean;
  written integer;
  wrong record;
  login constant text := 'sql:' || session_user;
  -- Control characters, and format characters that change how a text looks but not what it is.
  odd_characters constant text :=
    '[\u0001-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]';
begin
  select array_agg(r.id), array_agg(r.occurred_at), max(r.occurred_at), bool_or(r.recorded_at <> statement_timestamp()),
    array_agg(auditbox.line_bytes(
      r.changed_by || r.changed_by_api_key || r.action || r.table_name || r.object_id || r.recorded_by
        || case when r.tenant = '' and r.redacted is null then '' else '                        ' || r.tenant || coalesce(r.redacted::text, '') end,
      r.before_value, r.updated_values, r.context)),
    bool_or(strpos(r.before_value::text, '\u') > 0 or strpos(r.updated_values::text, '\u') > 0
      or strpos(r.context::text, '\u') > 0),
    bool_or(r.recorded_by <> login and starts_with(r.recorded_by, 'sql:')),
    -- The api has checked its names.
    bool_or(r.recorded_by = login and (r.changed_by = '' or r.table_name = '' or r.action = ''
      or r.changed_by || r.changed_by_api_key || r.action || r.table_name || r.tenant ~ odd_characters))
  into ids, times, latest, is_dated, sizes, has_escapes, is_forged, is_odd
  from recorded r;
  if ids is null then
    return null;
  end if;

  -- An exporter holds an event in memory to send it.
  if 16777216 < any (sizes) then
    select event.id into wrong from unnest(ids, sizes) as event (id, bytes) where event.bytes > 16777216 limit 1;
    raise exception 'the event % is larger than 16 MiB', wrong.id
      using errcode = 'check_violation', constraint = 'audit_log_event_fits',
            schema = tg_table_schema, table = 'audit_log', detail = wrong.id::text;
  end if;

  -- An event in the future would be filed under an hour that has not begun. The database's clock decides.
  if latest > clock_timestamp() + interval '5 minutes' then
    select r.id into wrong from recorded r where r.occurred_at > clock_timestamp() + interval '5 minutes' limit 1;
    raise exception 'the event time of % is more than 5 minutes in the future', wrong.id
      using errcode = 'check_violation', constraint = 'audit_log_occurred_at_not_future',
            schema = tg_table_schema, table = 'audit_log', detail = wrong.id::text;
  end if;

  -- The recorded time is ours, because the linger counts from it.
  if is_dated then
    select r.id into wrong from recorded r where r.recorded_at <> statement_timestamp() limit 1;
    raise exception 'recorded_at of % was given; the database sets it', wrong.id
      using errcode = 'check_violation', constraint = 'audit_log_recorded_at_is_now',
            schema = tg_table_schema, table = 'audit_log', detail = wrong.id::text;
  end if;

  -- Only the login itself may stand behind `sql:`.
  if is_forged then
    select r.id into wrong from recorded r where r.recorded_by <> login and starts_with(r.recorded_by, 'sql:') limit 1;
    raise exception 'recorded_by of % was given; the database sets it', wrong.id
      using errcode = 'check_violation', constraint = 'audit_log_recorded_by_is_ours',
            schema = tg_table_schema, table = 'audit_log', detail = wrong.id::text;
  end if;

  if is_odd then
    select r.id, case when r.changed_by = '' or r.changed_by ~ odd_characters then 'changed_by'
        when r.table_name = '' or r.table_name ~ odd_characters then 'table_name'
        when r.action = '' or r.action ~ odd_characters then 'action'
        when r.tenant ~ odd_characters then 'tenant' else 'changed_by_api_key' end as name
    into wrong
    from recorded r
    where r.recorded_by = login and (r.changed_by = '' or r.table_name = '' or r.action = ''
      or r.changed_by || r.changed_by_api_key || r.action || r.table_name || r.tenant ~ odd_characters)
    limit 1;
    raise exception '% of % is empty, or has a control, bidirectional or zero-width character', wrong.name, wrong.id
      using errcode = 'check_violation', constraint = 'audit_log_names_are_plain',
            schema = tg_table_schema, table = 'audit_log', column = wrong.name, detail = wrong.id::text;
  end if;

  if has_escapes then
    select r.id, coalesce(
      case when auditbox.is_unreadable(r.before_value) then auditbox.path_to_unreadable(r.before_value, 'before_value') end,
      case when auditbox.is_unreadable(r.updated_values)
        then auditbox.path_to_unreadable(r.updated_values, 'updated_values') end,
      case when auditbox.is_unreadable(r.context) then auditbox.path_to_unreadable(r.context, 'context') end) as path
    into wrong
    from recorded r
    where auditbox.is_unreadable(r.before_value) or auditbox.is_unreadable(r.updated_values)
      or auditbox.is_unreadable(r.context)
    limit 1;
    if found then
      raise exception 'the value % of % has a text with \u0000 or half of a surrogate pair, which not every reader can read',
        wrong.path, wrong.id
        using errcode = 'check_violation', constraint = 'audit_log_values_are_readable',
              schema = tg_table_schema, table = 'audit_log', column = wrong.path, detail = wrong.id::text;
    end if;
  end if;

  -- A row that is being inserted with the same id makes this wait. `do nothing` instead of an error of the index, so that
  -- the error can say what to do without the price of a savepoint.
  if cardinality(ids) = 1 then
    insert into auditbox.outbox (audit_id, occurred_at, recorded_at, bytes)
    values (ids[1], times[1], statement_timestamp(), sizes[1])
    on conflict (audit_id) do nothing;
  else
    insert into auditbox.outbox (audit_id, occurred_at, recorded_at, bytes)
    select event.id, event.occurred_at, statement_timestamp(), event.bytes
    from unnest(ids, times, sizes) as event (id, occurred_at, bytes)
    on conflict (audit_id) do nothing;
  end if;
  get diagnostics written = row_count;
  if written < cardinality(ids) then
    -- The event's outbox row may be older than this snapshot, or of this statement when one id was given twice.
    select r.id into wrong
    from recorded r left join auditbox.outbox o on o.audit_id = r.id and o.occurred_at = r.occurred_at
    where o.id is null
    limit 1;
    raise exception 'the id % is taken by an event with another time', coalesce(wrong.id, ids[1])
      using errcode = 'unique_violation', constraint = 'outbox_audit_id', schema = tg_table_schema, table = 'outbox',
            detail = coalesce(wrong.id, ids[1])::text,
            hint = 'Ids are unique over all times. To write an event again without an error, call '
              || quote_ident(tg_table_schema) || '.record(...).';
  end if;
  return null;
end $$;
