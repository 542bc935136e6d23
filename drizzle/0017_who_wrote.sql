-- Who wrote each event, whose it is, what was redacted of it, and the hash by which a repetition is recognised.
--
-- Locks: audit_log for some milliseconds, for the new columns. Then writers wait while an index of recorded_by is built on
-- each month, a second for some hundred thousand events; readers do not wait.
--
-- Step: transaction
-- Locks: audit_log, for some milliseconds.
alter table auditbox.audit_log
  -- A constant first: rows that exist are not rewritten, and say that their writer is unknown.
  add column recorded_by text collate "C" not null default '',
  add column tenant text collate "C" not null default '',
  add column redacted json,
  add column content_hash bytea;
--> statement-breakpoint
alter table auditbox.audit_log alter column recorded_by set default 'sql:' || session_user;
--> statement-breakpoint
-- Step: transaction
-- Locks: writers wait until the index is built; readers do not wait.
create index audit_log_recorded_by on auditbox.audit_log (recorded_by, occurred_at, id);
--> statement-breakpoint
-- Step: transaction
-- Locks: writers wait until the table was read once; no event has a tenant yet.
create index audit_log_tenant on auditbox.audit_log (tenant, occurred_at, id) where tenant <> '';
--> statement-breakpoint
-- Upper bound of the bytes of an event's line: 276 are the names that each line has, punctuation, id, times at full length and
-- newline. The texts are escaped together: one call costs a fifth of five. Where an event has a tenant or something was
-- redacted, the callers add 24 blanks, for the names of these two and the quotes of one.
create or replace function auditbox.line_bytes(texts text, before_value json, updated_values json, context json) returns integer
language sql stable parallel safe
return least(2147483647, 276::bigint + octet_length(to_json(texts)::text) + coalesce(octet_length(before_value::text), 4)
  + coalesce(octet_length(updated_values::text), 4) + coalesce(octet_length(context::text), 4))::integer;
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
--> statement-breakpoint
create or replace function auditbox.reconcile_audit_log(behind_time timestamptz, behind_id uuid, max_rows integer,
  out next_time timestamptz, out next_id uuid, out restored bigint, out conflicting bigint)
language plpgsql security definer
set search_path = pg_catalog, pg_temp set row_security = off set plan_cache_mode = force_custom_plan
set enable_seqscan = off as $$
begin
  -- The argument of `seal` wants a transaction id before an id of the outbox. Elsewhere the audit row's insert sees to it.
  perform pg_current_xact_id();
  with block as materialized (
    select a.id, a.occurred_at, a.recorded_at, o.occurred_at as registered_at
    from (
      select a.id, a.occurred_at, a.recorded_at from auditbox.audit_log a
      where (a.occurred_at, a.id) > (behind_time, behind_id)
      order by a.occurred_at, a.id
      limit max_rows
    ) a
    cross join lateral (
      select max(o.occurred_at) as occurred_at from auditbox.outbox o where o.audit_id = a.id
    ) o
  ), added as (
    insert into auditbox.outbox (audit_id, occurred_at, recorded_at, bytes)
    select b.id, b.occurred_at, b.recorded_at, auditbox.line_bytes(
        a.changed_by || a.changed_by_api_key || a.action || a.table_name || a.object_id || a.recorded_by
          || case when a.tenant = '' and a.redacted is null then '' else '                        ' || a.tenant || coalesce(a.redacted::text, '') end,
        a.before_value, a.updated_values, a.context)
    from block b join auditbox.audit_log a on a.id = b.id and a.occurred_at = b.occurred_at
    where b.registered_at is null
    on conflict (audit_id) do nothing
    returning 1
  )
  select last.occurred_at, last.id, (select count(*) from added),
    (select count(*) from block where registered_at <> occurred_at)
      + (select count(*) from block where registered_at is null) - (select count(*) from added)
  into next_time, next_id, restored, conflicting
  from (select) one left join lateral (select * from block order by occurred_at desc, id desc limit 1) last on true;
end $$;
--> statement-breakpoint
create or replace function auditbox.record(
  changed_by text, action text, table_name text, object_id text,
  updated_values json default null, before_value json default null, context json default null,
  changed_by_api_key text default '', updated_at timestamptz default null, id uuid default null)
returns uuid
language plpgsql security definer
set search_path = pg_catalog, pg_temp set row_security = off set TimeZone = 'UTC' as $$
#variable_conflict use_column
declare
  event_id uuid := coalesce(record.id, gen_random_uuid());
  event_time timestamptz := coalesce(record.updated_at, statement_timestamp());
  violated text;
  stored auditbox.audit_log;
  found_id uuid;
begin
  if event_time < clock_timestamp() - interval '400 days' and not pg_has_role(session_user,
      (select n.nspowner from pg_namespace n where n.nspname = 'auditbox'), 'member') then
    raise exception 'the event time of % is more than 400 days ago', event_id
      using errcode = 'check_violation', constraint = 'audit_log_occurred_at_too_old', detail = event_id::text;
  end if;
  for try in 1..3 loop
    begin
      insert into auditbox.audit_log as a (id, occurred_at, changed_by, changed_by_api_key, action, table_name, object_id,
        before_value, updated_values, context)
      values (event_id, event_time, record.changed_by, record.changed_by_api_key, record.action, record.table_name,
        record.object_id, record.before_value, record.updated_values, record.context)
      on conflict do nothing
      returning a.id into found_id;
      if found_id is not null then
        return found_id;
      end if;
      exit;
    exception
      when unique_violation then
        exit;
      when check_violation then
        get stacked diagnostics violated = constraint_name;
        if violated <> '' or try = 3 or auditbox.make_month(event_time) is null then
          raise;
        end if;
    end;
  end loop;
  select a.* into stored
  from auditbox.outbox o join auditbox.audit_log a on a.id = o.audit_id and a.occurred_at = o.occurred_at
  where o.audit_id = event_id;
  if stored.id is null then
    raise exception 'an event with the id % was recorded before, and retention removed it', event_id
      using errcode = 'unique_violation', constraint = 'outbox_audit_id', table = 'outbox', detail = event_id::text;
  end if;
  -- Another writer's id is refused in the same words whatever that event holds.
  if stored.recorded_by not in ('', 'sql:' || session_user) then
    raise exception 'the id % belongs to an event of another writer', event_id
      using errcode = 'unique_violation', constraint = 'outbox_audit_id', table = 'outbox', detail = event_id::text,
            hint = 'Give the event another id.';
  end if;
  if (stored.changed_by, stored.changed_by_api_key, stored.action, stored.table_name, stored.object_id,
      stored.before_value::text::jsonb, stored.updated_values::text::jsonb, stored.context::text::jsonb)
    is distinct from (record.changed_by, record.changed_by_api_key, record.action, record.table_name, record.object_id,
      record.before_value::text::jsonb, record.updated_values::text::jsonb, record.context::text::jsonb)
    or record.updated_at <> stored.occurred_at then
    raise exception 'the id % is stored with another content', event_id
      using errcode = 'unique_violation', constraint = 'outbox_audit_id', table = 'outbox', detail = event_id::text,
            hint = 'An event never changes. Give the new event another id.';
  end if;
  return event_id;
end $$;
--> statement-breakpoint
create table auditbox.secret (
  name text not null constraint secret_pkey primary key,
  value text not null
);
--> statement-breakpoint
-- 64 hexadecimal digits, 244 of their bits are random. A dump holds it too: without it, a repeated event of before is
-- compared member by member.
insert into auditbox.secret
values ('content-hash', encode(sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')), 'hex'));
--> statement-breakpoint
-- The key of content_hash, for the api.
create function auditbox.content_key() returns text
language sql stable security definer set search_path = pg_catalog, pg_temp
return (select value from auditbox.secret where name = 'content-hash');
--> statement-breakpoint
revoke all on function auditbox.content_key() from public;
