-- Every pause, resume and replay by the api's login is an audit event, also without a person: the login did it then. Before,
-- it could leave the event out by a null. And a key's name is unique in its tenant, so that a taken name says nothing about
-- another tenant. And a captured table may have columns that are named like something in its function: an update failed, or an event
-- held one column for the row. A table that is captured already has this after `auditbox.recapture`.
-- Locks: the table api_key, for some milliseconds; requests whose key is not cached wait.
--
-- A login that has the exporter's rights changes destinations and deliveries by plain statements, too, so that only its
-- commands decide whether there is an event.
create or replace function auditbox.record_export_change(destination_name text, updated_values json, by json) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if by is null and coalesce(pg_has_role(session_user, to_regrole('auditbox_exporter')::oid, 'member'), true) then
    return;
  end if;
  perform auditbox.make_month(statement_timestamp());
  insert into auditbox.audit_log (changed_by, action, table_name, object_id, updated_values, recorded_by)
  values (coalesce(by ->> 'changed_by', session_user), 'updated', 'auditbox.destination', destination_name, updated_values,
    coalesce(by ->> 'recorded_by', 'sql:' || session_user));
end $$;
--> statement-breakpoint
-- False if there is no such destination. No event is written if nothing changes.
create or replace function auditbox.pause_destination(destination_name text, pause boolean, by json default null) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp set row_security = off set TimeZone = 'UTC' as $$
begin
  update auditbox.destination d set is_paused = pause where d.name = destination_name and d.is_paused <> pause;
  if found then
    perform auditbox.record_export_change(destination_name, json_build_object('is_paused', pause), by);
  end if;
  return exists (select from auditbox.destination d where d.name = destination_name);
end $$;
--> statement-breakpoint
-- Failed deliveries are due again, and rejected rows are put into separate batches. Returns all of these batches. A delivery
-- that failed because all of its rows were rejected gets its rows back. Nothing that is not failed or rejected any more is
-- changed. No event is written if nothing changes.
create or replace function auditbox.replay_failed(
  destination_name text, failed_ids bigint[], rejected_ids bigint[], by json default null) returns setof bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp set row_security = off set TimeZone = 'UTC' as $$
declare
  again bigint[];
  made bigint[];
  rows_again bigint;
begin
  perform from auditbox.delivery d
  where d.destination = destination_name and d.state = 'failed' and d.batch_id = any(failed_ids)
  order by d.batch_id for update;
  again := array(
    select d.batch_id from auditbox.delivery d
    where d.destination = destination_name and d.state = 'failed' and d.batch_id = any(failed_ids));
  -- Rejections go only while their delivery is failed, so the delete comes first.
  delete from auditbox.rejection r
  using auditbox.batch b
  where r.destination = destination_name and r.batch_id = any(again) and b.id = r.batch_id
    and b.row_count = (
      select count(*) from auditbox.rejection o where o.destination = destination_name and o.batch_id = b.id);
  update auditbox.delivery d set state = 'sealed', next_attempt_at = statement_timestamp()
  where d.destination = destination_name and d.batch_id = any(again);
  made := array(select auditbox.replay_rejections(destination_name, rejected_ids));
  if cardinality(again || made) > 0 then
    select sum(b.row_count - (
        select count(*) from auditbox.rejection r where r.destination = destination_name and r.batch_id = b.id))
    into rows_again from auditbox.batch b where b.id = any(again || made);
    perform auditbox.record_export_change(destination_name,
      json_build_object('replayed', json_build_object('batches', cardinality(again || made), 'events', rows_again)), by);
  end if;
  return query select unnest(again || made);
end $$;
--> statement-breakpoint
drop index auditbox.api_key_current_name;
--> statement-breakpoint
-- A name is free again when its key is revoked.
create unique index api_key_current_name on auditbox.api_key ((coalesce(tenant, '')), name)
  where revoked_at is null and replaced_at is null;
--> statement-breakpoint
-- Stores a new key and returns its id, or null if its tenant has a valid key of this name. `new_key` is {"key_id", "name",
-- "hash", "prefix", "scopes", "tenant", "bounds", "expires_at"}.
create or replace function auditbox.create_key(new_key json, by json default '{}') returns uuid
language plpgsql security definer
set search_path = pg_catalog, pg_temp set row_security = off set TimeZone = 'UTC' as $$
declare
  made auditbox.api_key;
  -- Values of an insert may not be subqueries on Citus.
  wanted constant text[] := array(select json_array_elements_text(new_key -> 'scopes'));
begin
  -- Events name their writer by this id, so nobody gets the id of a key that was there before.
  if exists (select from auditbox.api_key k where k.key_id = (new_key ->> 'key_id')::uuid) then
    return null;
  end if;
  -- A key that has expired gives its name free.
  update auditbox.api_key k set revoked_at = k.expires_at, revoked_by = 'expired'
  where k.name = new_key ->> 'name' and k.tenant is not distinct from new_key ->> 'tenant'
    and k.revoked_at is null and k.expires_at <= now();
  insert into auditbox.api_key as k (key_id, name, key_hash, prefix, scopes, tenant, bounds, expires_at, created_by)
  values (coalesce((new_key ->> 'key_id')::uuid, gen_random_uuid()), new_key ->> 'name', new_key ->> 'hash',
    new_key ->> 'prefix', wanted, new_key ->> 'tenant',
    coalesce(new_key -> 'bounds', '{}'), (new_key ->> 'expires_at')::timestamptz,
    coalesce(by ->> 'changed_by', session_user))
  on conflict ((coalesce(tenant, '')), name) where revoked_at is null and replaced_at is null do nothing
  returning k.* into made;
  if made.id is null then
    return null;
  end if;
  perform auditbox.record_key_change('created', made.key_id, null, auditbox.describe_key(made), by);
  return made.key_id;
end $$;
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
