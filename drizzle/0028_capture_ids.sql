-- Captured tables cost their writes less: the ids of events are in the order of the rows (Postgres 18 and later), and an
-- update of one row prepares the cutting of long values only when it needs it. A table that is captured already has it after
-- `auditbox.recapture`.
-- Locks: none.
--
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
  -- In the order of the rows: nearly all indexes of audit_log get their new entries at one place then.
  new_id constant text := case when current_setting('server_version_num')::integer >= 180000
    then 'uuidv7()' else 'gen_random_uuid()' end;
  event constant text := 'insert into auditbox.audit_log
      (id, occurred_at, changed_by, changed_by_api_key, action, table_name, object_id, before_value, updated_values, context)
    select ' || new_id || ', happened_at, actor, api_key, ';
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
    -- Most rows are short. What cuts long values is prepared only for a row that may have one.
    %1$s'updated', %2$L, %3$s, %11$s.whole, %12$s.whole,
      case when %3$s = %6$s then context else (context::jsonb || jsonb_build_object('new_object_id', %6$s))::json end
    from old_rows o cross join new_rows n %7$s %8$s
    where row(%9$s)::record operator(pg_catalog.*<>) row(%10$s)::record and %13$s;
    if not found and %14$L then
    %1$s'updated', %2$L, %3$s, %4$s, %5$s,
      case when %3$s = %6$s then context else (context::jsonb || jsonb_build_object('new_object_id', %6$s))::json end
    from old_rows o cross join new_rows n %7$s %8$s
    where row(%9$s)::record operator(pg_catalog.*<>) row(%10$s)::record;
    end if;
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
    replace(watched, mark, 'o'), replace(watched, mark, 'n'), 'ov', 'nv',
    case when is_long
      then format('octet_length(ov.whole::text) <= %1$s and octet_length(nv.whole::text) <= %1$s', most) else 'true' end,
    is_long);
end $$;
