-- The record in partitions, one for each month of event time (UTC), so that a month can be dropped at once and a
-- question about a time need not look at all of it. The rows of the first schema are copied, which takes as long as
-- they are many and room for them twice; until it is committed, nobody else writes or reads the table.
--
-- There is no default partition: with one, each new partition would wait for a look at all of its rows under a lock.
alter table audit_log rename to audit_log_first;
--> statement-breakpoint
alter index audit_log_pkey rename to audit_log_first_pkey;
--> statement-breakpoint
alter index audit_log_occurred_at_id rename to audit_log_first_occurred_at_id;
--> statement-breakpoint
-- The words and numbers in an event's values, for `q`: an immutable form that an index can hold. Values of more than
-- 200 kB might exceed what a tsvector can hold; they get one mark, and are looked into.
create function audit_words(before_value json, updated_values json, context json) returns tsvector
language sql immutable parallel safe as $$
  select case
    when pg_catalog.octet_length(before_value::text) > 200000 or pg_catalog.octet_length(updated_values::text) > 200000
      or pg_catalog.octet_length(context::text) > 200000 then '''audit:large'''::pg_catalog.tsvector
    else pg_catalog.json_to_tsvector(
      'pg_catalog.simple'::pg_catalog.regconfig,
      ('[' || coalesce(before_value::text, 'null') || ',' || coalesce(updated_values::text, 'null') || ','
        || coalesce(context::text, 'null') || ']')::pg_catalog.json,
      '["string", "numeric"]'
    )
  end
$$;
--> statement-breakpoint
create table audit_log (
  id uuid default gen_random_uuid() not null,
  occurred_at timestamp(6) with time zone default statement_timestamp() not null,
  occurred_at_digits smallint default 6 not null,
  recorded_at timestamp(6) with time zone default statement_timestamp() not null,
  changed_by text collate "C" not null,
  changed_by_api_key text collate "C" default '' not null,
  action text collate "C" not null,
  table_name text collate "C" not null,
  object_id text collate "C" not null,
  before_value json,
  updated_values json,
  context json,
  -- LiteLLM's team and key, the beginning of a long one, for an index entry is bounded. The look for the name first
  -- costs a tenth of reading the JSON, and most values have neither.
  team_id text collate "C" generated always as (
    case when strpos(updated_values::text, '"team_id"') > 0 then left(updated_values ->> 'team_id', 512) end) stored,
  former_team_id text collate "C" generated always as (
    case when strpos(before_value::text, '"team_id"') > 0
      then nullif(left(before_value ->> 'team_id', 512), left(updated_values ->> 'team_id', 512)) end) stored,
  key_hash text collate "C" generated always as (
    case when strpos(updated_values::text, '"token"') > 0 then left(updated_values ->> 'token', 512) end) stored,
  former_key_hash text collate "C" generated always as (
    case when strpos(before_value::text, '"token"') > 0
      then nullif(left(before_value ->> 'token', 512), left(updated_values ->> 'token', 512)) end) stored,
  constraint audit_log_pkey primary key (id, occurred_at),
  constraint audit_log_occurred_at_in_range check (
    occurred_at >= timestamptz '1970-01-01 00:00:00+00' and occurred_at < timestamptz '10000-01-01 00:00:00+00'),
  constraint audit_log_occurred_at_digits_in_range check (occurred_at_digits between 0 and 6),
  constraint audit_log_texts_fit_an_index check (
    octet_length(changed_by) <= 2048 and octet_length(changed_by_api_key) <= 2048 and octet_length(action) <= 2048
    and octet_length(table_name) <= 2048 and octet_length(object_id) <= 2048),
  constraint audit_log_context_is_an_object check (json_typeof(context) in ('object', 'null'))
) partition by range (occurred_at);
--> statement-breakpoint
create index audit_log_occurred_at_id on audit_log (occurred_at, id);
--> statement-breakpoint
create index audit_log_recorded_at_id on audit_log (recorded_at, id);
--> statement-breakpoint
create index audit_log_changed_by on audit_log (changed_by, occurred_at, id);
--> statement-breakpoint
create index audit_log_changed_by_api_key on audit_log (changed_by_api_key, occurred_at, id);
--> statement-breakpoint
create index audit_log_action on audit_log (action, occurred_at, id);
--> statement-breakpoint
create index audit_log_table_name on audit_log (table_name, occurred_at, id);
--> statement-breakpoint
create index audit_log_object_id on audit_log (object_id, occurred_at, id);
--> statement-breakpoint
create index audit_log_team_id on audit_log (team_id, occurred_at, id) where team_id is not null;
--> statement-breakpoint
create index audit_log_former_team_id on audit_log (former_team_id, occurred_at, id)
where former_team_id is not null;
--> statement-breakpoint
create index audit_log_key_hash on audit_log (key_hash, occurred_at, id) where key_hash is not null;
--> statement-breakpoint
create index audit_log_former_key_hash on audit_log (former_key_hash, occurred_at, id)
where former_key_hash is not null;
--> statement-breakpoint
create table pruned_event (
  id uuid primary key not null,
  occurred_at timestamp(6) with time zone not null,
  batch_id bigint not null
);
--> statement-breakpoint
create index pruned_event_occurred_at on pruned_event (occurred_at);
--> statement-breakpoint
-- Makes the partition that an event time belongs to; false if it was there, null for a time that no event may have.
-- Whoever may write events may call it, so that old and new months come by themselves. The table is made by itself and
-- then attached, which neither readers nor writers of audit_log wait for, and the other way round.
--
-- Statement triggers belong to the table that a statement names: each partition has its own, so that one who writes to
-- it by its name gets around nothing.
create function audit_log_make_partition(at timestamptz) returns boolean
language plpgsql security definer set search_path = pg_catalog, public, pg_temp set lock_timeout = '5s' as $$
declare
  starts timestamp := date_trunc('month', at at time zone 'UTC');
  name text := 'audit_log_' || to_char(starts, 'YYYY_MM');
begin
  if at < timestamptz '1970-01-01 00:00:00+00' or at > clock_timestamp() + interval '1 year' then
    return null;
  end if;
  if to_regclass(format('public.%I', name)) is not null then
    return false;
  end if;
  perform pg_advisory_xact_lock(7283104913);
  -- Not by to_regclass: that asks this session's cache, which does not know yet what was committed while it waited.
  if exists (select from pg_class where relname = name and relnamespace = 'public'::regnamespace) then
    return false;
  end if;
  -- Inserts alone must bring autovacuum: counts read the visibility map, and the index of words has a list to merge.
  execute format(
    'create table public.%I (like public.audit_log including defaults including constraints including generated) with (
      autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05)', name);
  execute format('alter table public.audit_log attach partition public.%I for values from (%L) to (%L)',
    name, starts at time zone 'UTC', (starts + interval '1 month') at time zone 'UTC');
  execute format('create trigger audit_log_to_outbox after insert on public.%I
    referencing new table as recorded for each statement execute function public.audit_log_to_outbox()', name);
  execute format('create trigger audit_log_append_only before update or delete or truncate on public.%I
    for each statement execute function public.audit_log_append_only()', name);
  return true;
end $$;
--> statement-breakpoint
select audit_log_make_partition(month) from (
  select distinct date_trunc('month', occurred_at at time zone 'UTC') at time zone 'UTC' as month from audit_log_first
) used;
--> statement-breakpoint
insert into audit_log (
  id, occurred_at, occurred_at_digits, recorded_at, changed_by, changed_by_api_key, action, table_name, object_id,
  before_value, updated_values, context)
select
  id, occurred_at, occurred_at_digits, recorded_at, changed_by, changed_by_api_key, action, table_name, object_id,
  before_value, updated_values, context
from audit_log_first;
--> statement-breakpoint
do $$
begin
  if (select count(*) from audit_log) <> (select count(*) from audit_log_first) then
    raise exception 'not every audit event was copied into its partition';
  end if;
end $$;
--> statement-breakpoint
-- Who was let in by name stays let in.
do $$
declare
  given record;
begin
  for given in
    select privilege_type, is_grantable,
      case grantee when 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end as grantee
    from pg_class, aclexplode(relacl)
    where oid = 'audit_log_first'::regclass and grantee <> relowner
  loop
    execute format('grant %s on audit_log to %s%s', given.privilege_type, given.grantee,
      case when given.is_grantable then ' with grant option' else '' end);
  end loop;
end $$;
--> statement-breakpoint
drop table audit_log_first;
--> statement-breakpoint
-- The primary key holds an id only beside its event time. Over all times it is taken by the event's outbox row, and
-- once that was pruned by pruned_event. In this order: a row that is being pruned makes the insert wait, and the look
-- that follows, a statement of its own, sees where it went.
create or replace function audit_log_to_outbox() returns trigger
language plpgsql security definer set search_path = pg_catalog, public as $$
declare
  wrong uuid;
  is_future boolean;
begin
  -- A time in the future would be filed under an hour that has not been: the database's clock decides. When the database
  -- took it is not for the writer to say: the linger counts from it.
  select id, occurred_at > clock_timestamp() + interval '5 minutes' into wrong, is_future
  from recorded
  where occurred_at > clock_timestamp() + interval '5 minutes' or recorded_at <> statement_timestamp()
  limit 1;
  if is_future then
    raise exception 'the event time of % is more than 5 minutes in the future', wrong
      using errcode = 'check_violation', constraint = 'audit_log_occurred_at_not_future',
            table = 'audit_log', detail = wrong::text;
  elsif found then
    raise exception 'recorded_at of % was given; the database sets it', wrong
      using errcode = 'check_violation', constraint = 'audit_log_recorded_at_is_now',
            table = 'audit_log', detail = wrong::text;
  end if;

  -- 251 bytes are the rendered line's names, punctuation, id, times at full length and newline.
  insert into public.outbox (audit_id, occurred_at, recorded_at, bytes)
  select id, occurred_at, recorded_at, least(2147483647,
    251::bigint
    + octet_length(to_json(changed_by)::text) + octet_length(to_json(changed_by_api_key)::text)
    + octet_length(to_json(action)::text) + octet_length(to_json(table_name)::text)
    + octet_length(to_json(object_id)::text)
    + coalesce(octet_length(before_value::text), 4) + coalesce(octet_length(updated_values::text), 4)
    + coalesce(octet_length(context::text), 4))
  from recorded;

  select id into wrong from recorded where exists (select from public.pruned_event p where p.id = recorded.id) limit 1;
  if found then
    raise exception 'the id % is taken', wrong
      using errcode = 'unique_violation', constraint = 'pruned_event_pkey', table = 'pruned_event', detail = wrong::text;
  end if;
  return null;
end $$;
--> statement-breakpoint
create trigger audit_log_to_outbox after insert on audit_log
referencing new table as recorded
for each statement execute function audit_log_to_outbox();
--> statement-breakpoint
create trigger audit_log_append_only before update or delete or truncate on audit_log
for each statement execute function audit_log_append_only();
--> statement-breakpoint
create trigger audit_log_keep_unexported before delete on audit_log
for each row execute function audit_log_keep_unexported();
