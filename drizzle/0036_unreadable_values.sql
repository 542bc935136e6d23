-- What one row could do to the others, and what a capture missed. A value that nests very deeply, or that hides half of a surrogate
-- pair behind an escaped backslash, made every query fail that looked into it. A capture missed rows that a trigger rejects while
-- an update moves them to another partition, and what is written to a table that inherits from a captured one.
-- Locks: none.
--
create or replace function auditbox.is_unreadable(value json) returns boolean
language sql immutable parallel safe
return strpos(value::text, '\u') > 0 and (
  -- An escaped backslash in front of a u is no escape of a character. Another character takes its place: without one, a high and
  -- a low surrogate on either side of it would look like a pair.
  replace(value::text, '\\', '/')
    ~ '\\u0000|\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F]'
);
--> statement-breakpoint
-- Whether JSON text nests deeper than `most` levels. Not by jsonb, which would drop a deep value whose name comes again.
create function auditbox.nests_deeper(value text, most integer) returns boolean
language plpgsql immutable strict parallel safe set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
declare
  brackets text;
begin
  if octet_length(value) - octet_length(replace(replace(value, '[', ''), '{', '')) <= most then
    return false;
  end if;
  -- A string may hold brackets. Without escaped characters, each quote begins or ends a string.
  select string_agg(part, '') into brackets
  from string_to_table(replace(replace(value, '\\', ''), '\"', ''), '"') with ordinality as text (part, place)
  where place % 2 = 1;
  brackets := replace(replace(regexp_replace(brackets, '[^][{}]+', '', 'g'), '{', '['), '}', ']');
  for level in 1..most loop
    -- This removes what is innermost.
    brackets := replace(brackets, '[]', '');
    exit when brackets = '';
  end loop;
  return brackets <> '';
end $$;
--> statement-breakpoint
revoke execute on function auditbox.nests_deeper(text, integer) from public;
--> statement-breakpoint
create or replace function auditbox.audit_log_to_outbox() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp set row_security = off set standard_conforming_strings = on set quote_all_identifiers = off as $$
declare
  ids uuid[];
  times timestamptz[];
  sizes integer[];
  latest timestamptz;
  is_dated boolean;
  has_escapes boolean;
  is_forged boolean;
  is_odd boolean;
  is_deep boolean;
  written integer;
  wrong record;
  stamped timestamptz := statement_timestamp();
  -- Citus adds the number of the shard to the name of the table.
  is_shard constant boolean := tg_table_name <> 'audit_log' and tg_table_name ~ '^audit_log_\d{6,}$';
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
      or r.changed_by || r.changed_by_api_key || r.action || r.table_name || r.tenant ~ odd_characters)),
    -- And how deeply its values nest. A level has two brackets, so short values need no look.
    bool_or(r.recorded_by = login
      and greatest(octet_length(r.before_value::text), octet_length(r.updated_values::text), octet_length(r.context::text)) > 1000
      and (auditbox.nests_deeper(r.before_value::text, 500) or auditbox.nests_deeper(r.updated_values::text, 500)
        or auditbox.nests_deeper(r.context::text, 500)))
  into ids, times, latest, is_dated, sizes, has_escapes, is_forged, is_odd, is_deep
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
    select r.id, r.recorded_at into wrong from recorded r where r.recorded_at <> statement_timestamp() limit 1;
    -- On a shard of Citus the coordinator's statement stamped the rows, a moment ago and by its clock.
    if is_shard and not exists (
      select from recorded r where r.recorded_at not between stamped - interval '15 seconds' and stamped + interval '1 second'
    ) then
      stamped := wrong.recorded_at;
    else
      raise exception 'recorded_at of % was given; the database sets it', wrong.id
        using errcode = 'check_violation', constraint = 'audit_log_recorded_at_is_now',
              schema = tg_table_schema, table = 'audit_log', detail = wrong.id::text;
    end if;
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

  -- Postgres reads a member only of a value that its stack can hold, so one such value would fail every query that looks into it.
  if is_deep then
    select r.id, case when auditbox.nests_deeper(r.before_value::text, 500) then 'before_value'
        when auditbox.nests_deeper(r.updated_values::text, 500) then 'updated_values' else 'context' end as path
    into wrong
    from recorded r
    where auditbox.nests_deeper(r.before_value::text, 500) or auditbox.nests_deeper(r.updated_values::text, 500)
      or auditbox.nests_deeper(r.context::text, 500)
    limit 1;
    raise exception 'the value % of % nests deeper than 500 levels', wrong.path, wrong.id
      using errcode = 'check_violation', constraint = 'audit_log_values_are_readable',
            schema = tg_table_schema, table = 'audit_log', column = wrong.path, detail = wrong.id::text;
  end if;

  -- A row that is being inserted with the same id makes this wait. `do nothing` instead of an error of the index, so that
  -- the error can say what to do without the price of a savepoint.
  if cardinality(ids) = 1 then
    insert into auditbox.outbox (audit_id, occurred_at, recorded_at, bytes)
    values (ids[1], times[1], stamped, sizes[1])
    on conflict (audit_id) do nothing;
  else
    insert into auditbox.outbox (audit_id, occurred_at, recorded_at, bytes)
    select event.id, event.occurred_at, stamped, event.bytes
    from unnest(ids, times, sizes) as event (id, occurred_at, bytes)
    on conflict (audit_id) do nothing;
  end if;
  get diagnostics written = row_count;
  if is_shard then
    -- Citus counts the rows that it did not insert, too.
    select count(*) into written from unnest(ids, times) as event (id, occurred_at)
    join auditbox.outbox o on o.audit_id = event.id and o.occurred_at = event.occurred_at;
  end if;
  if written < cardinality(ids) then
    -- The event's outbox row may be older than this snapshot, or of this statement when one id was given twice.
    select r.id into wrong
    from unnest(ids, times) as r (id, occurred_at)
    left join auditbox.outbox o on o.audit_id = r.id and o.occurred_at = r.occurred_at
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
--> statement-breakpoint
-- A table, its partitions, and the tables that inherit from it, at any depth. A trigger for a statement fires only for the table
-- that the statement names, so a capture needs one at each.
create function auditbox.capture_tree(target regclass) returns setof oid
language sql stable set search_path = pg_catalog, pg_temp as $$
  with recursive tree (relid) as (
    select target::oid
    union
    select i.inhrelid from tree join pg_inherits i on i.inhparent = tree.relid
  )
  select relid from tree
$$;
--> statement-breakpoint
revoke execute on function auditbox.capture_tree(regclass) from public;
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
      when l.oid in ('json'::regtype, 'jsonb'::regtype) and l.arrays > 0 then 'json array'
      when l.oid < 16384 and l.typtype <> 'c' and l.arrays > 0 then 'array'
      when l.oid < 16384 and l.typtype <> 'c' then
        case when l.oid in ('json'::regtype, 'jsonb'::regtype, 'bytea'::regtype) then format_type(l.oid, null)
          when l.oid in ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype, 'name'::regtype, 'xml'::regtype) then 'text'
          when l.oid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'bool'::regtype, 'uuid'::regtype,
            'numeric'::regtype, 'oid'::regtype) then 'plain'
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
language plpgsql stable set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on set quote_all_identifiers = off as $$
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
  -- Stands for the name of the row in what is made for both rows. No column and no option can contain it.
  mark constant text := '<' || md5(options::text || array(select c.name from auditbox.capture_columns(target) c)::text) || '>';
  -- Only an update that moves rows between partitions can have another number of new rows than of old ones.
  moves_rows constant boolean := (select c.relkind = 'p' from pg_class c where c.oid = target);
  -- In the order of the rows: nearly all indexes of audit_log get their new entries at one place then.
  new_id constant text := case when current_setting('server_version_num')::integer >= 180000
    then 'uuidv7()' else 'gen_random_uuid()' end;
  event constant text := 'insert into auditbox.audit_log
      (id, occurred_at, changed_by, changed_by_api_key, action, table_name, object_id, before_value, updated_values, context)
    select ' || new_id || ', happened_at, actor, api_key, ';
  changes text;
  -- The place of a row in its statement. No column has this name.
  pair_place constant text := 'place ' || md5(array(select c.name from auditbox.capture_columns(target) c)::text);
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
        when c.kind = 'json' then 'case when strpos(@.%1$I::text, ''\u'') > 0 and auditbox.is_unreadable(@.%1$I) or octet_length(@.%1$I::text) > 980 and auditbox.nests_deeper(@.%1$I::text, 490) then to_json(@.%1$I::text) else @.%1$I end'
        when c.kind = 'jsonb' then 'case when jsonb_path_exists(@.%1$I, ''strict $.**{490}'') then to_json(@.%1$I::text) else to_json(@.%1$I) end'
        when c.kind = 'json array' then 'case when strpos(to_json(@.%1$I)::text, ''\u'') > 0 and auditbox.is_unreadable(to_json(@.%1$I)) or octet_length(to_json(@.%1$I)::text) > 980 and auditbox.nests_deeper(to_json(@.%1$I)::text, 490) then to_json(format(''%%s'', @.%1$I)) else to_json(@.%1$I) end'
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
    case when bool_or(c.kind not in ('plain', 'text', 'json', 'jsonb', 'json array')) then
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
  changes := format('cross join lateral (select row_to_json("the values".*) as whole from (select %s) "the values"%s) %sv', plain,
    case when is_long then ' offset 0' else '' end, mark);
  if is_long then
    cut := format('case when octet_length(%1$sv.whole::text) <= %2$s then %1$sv.whole else (select row_to_json("the values".*) from (select %3$s from (select %4$s) w) "the values") end',
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
  is_same boolean := true;%8$s
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
    %9$s
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
    options ->> 'on_truncate', (options ->> 'require_actor')::boolean,
    case when moves_rows then e'\n  new_count bigint := 1;' else '' end,
    case when moves_rows
      then format('select (select count(*) from old_rows), (select count(*) from new_rows), bool_and(%s) into row_count, new_count, is_same from (select * from old_rows limit 2) o;',
        coalesce(replace(guard, mark, 'o'), 'true'))
      else format('select count(*), bool_and(%s) into row_count, is_same from (select * from new_rows limit 2) n;',
        coalesce(replace(guard, mark, 'n'), 'true')) end)
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
  || case when moves_rows then format($body$
  elsif tg_op = 'UPDATE' and row_count <> new_count then
    -- A trigger of the other partition rejected rows on their way, so they are gone, and places make no pairs. Keys do.
    %1$scase when n.%2$I is null then 'deleted' when o.%2$I is null then 'created' else 'updated' end, %3$L,
      coalesce(o.%2$I, n.%2$I), case when o.%2$I is not null then %4$s end, case when n.%2$I is not null then %5$s end, context
    from (select %6$s as %2$I, r.* from old_rows r) o
    full join (select %6$s as %2$I, r.* from new_rows r) n on n.%2$I = o.%2$I collate "C" %7$s %8$s
    where n.%2$I is null or o.%2$I is null or row(%9$s)::record operator(pg_catalog.*<>) row(%10$s)::record;$body$,
    event, pair_place, options ->> 'name', replace(cut, mark, 'o'), replace(cut, mark, 'n'), replace(key_of, mark, 'r'),
    replace(changes, mark, 'o'), replace(changes, mark, 'n'), replace(watched, mark, 'o'), replace(watched, mark, 'n')) else '' end
  || format($body$
  elsif tg_op = 'UPDATE' and row_count = 1 then
    -- Most rows are short. What cuts long values is prepared only for a row that may have one.
    %1$s'updated', %2$L, %3$s, %11$s.whole, %12$s.whole,
      case when (%3$s) collate "C" = %6$s then context else (context::jsonb || jsonb_build_object('new_object_id', %6$s))::json end
    from old_rows o cross join new_rows n %7$s %8$s
    where row(%9$s)::record operator(pg_catalog.*<>) row(%10$s)::record and %13$s;
    if not found and %14$L then
    %1$s'updated', %2$L, %3$s, %4$s, %5$s,
      case when (%3$s) collate "C" = %6$s then context else (context::jsonb || jsonb_build_object('new_object_id', %6$s))::json end
    from old_rows o cross join new_rows n %7$s %8$s
    where row(%9$s)::record operator(pg_catalog.*<>) row(%10$s)::record;
    end if;
  elsif tg_op = 'UPDATE' then
    -- Both hold the rows in the order of the update, so a place and not a key makes the pairs. A full join cannot be done by
    -- a nested loop, whatever the number of rows was when it was planned.
    %1$s'updated', %2$L, %3$s, %4$s, %5$s,
      case when (%3$s) collate "C" = %6$s then context else (context::jsonb || jsonb_build_object('new_object_id', %6$s))::json end
    from (select row_number() over () as %15$I, r.* from old_rows r) o
    full join (select row_number() over () as %15$I, r.* from new_rows r) n
      on n.%15$I = o.%15$I %7$s %8$s
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
    is_long, pair_place);
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
    'auditbox.captured_table', it.nspname || '.' || it.relname,
    case when before.table_name is not null then row_to_json(before) end, row_to_json(made));
  return function_name;
end $$;
--> statement-breakpoint
create or replace function auditbox.install_capture(target regclass, options json) returns void
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
    from auditbox.capture_tree(target) tree (relid)
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
