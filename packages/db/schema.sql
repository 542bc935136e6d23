-- The migrated schema, to read the current body of each function in one place.
-- Written by `npm run db:schema` from a migrated database; changes belong in a migration. Months of audit_log are left out.

create schema drizzle;
grant usage on schema drizzle to auditbox_api;
grant usage on schema drizzle to auditbox_exporter;

create schema public;
grant usage on schema public to public;
grant usage on schema public to auditbox_api;
grant usage on schema public to auditbox_exporter;
grant usage on schema public to auditbox_retention;

create sequence drizzle.__drizzle_migrations_id_seq;

grant usage on sequence public.export_batch_id_seq to auditbox_exporter;

create table drizzle.__drizzle_migrations (
  id integer default nextval('drizzle.__drizzle_migrations_id_seq'::regclass) not null,
  hash text not null,
  created_at bigint,
  constraint __drizzle_migrations_pkey PRIMARY KEY (id)
);
grant select on drizzle.__drizzle_migrations to auditbox_api;
grant select on drizzle.__drizzle_migrations to auditbox_exporter;

create table public.api_key (
  id uuid default gen_random_uuid() not null,
  name text not null,
  key_hash text not null,
  scopes text[] not null,
  created_at timestamp(6) with time zone default now() not null,
  revoked_at timestamp(6) with time zone,
  constraint api_key_pkey PRIMARY KEY (id),
  constraint api_key_hash UNIQUE (key_hash),
  constraint api_key_name UNIQUE (name),
  constraint api_key_scopes CHECK (((scopes <@ ARRAY['read'::text, 'write'::text]) AND (cardinality(scopes) > 0)))
);
grant select on public.api_key to auditbox_api;

create table public.audit_log (
  id uuid default gen_random_uuid() not null,
  occurred_at timestamp(6) with time zone default statement_timestamp() not null,
  occurred_at_digits smallint default 6 not null,
  recorded_at timestamp(6) with time zone default statement_timestamp() not null,
  changed_by text collate "C" not null,
  changed_by_api_key text collate "C" default ''::text not null,
  action text collate "C" not null,
  table_name text collate "C" not null,
  object_id text collate "C" not null,
  before_value json,
  updated_values json,
  context json,
  team_id text collate "C" generated always as (
CASE
    WHEN (strpos((updated_values)::text, '"team_id"'::text) > 0) THEN "left"((updated_values ->> 'team_id'::text), 512)
    ELSE NULL::text
END) stored,
  former_team_id text collate "C" generated always as (
CASE
    WHEN (strpos((before_value)::text, '"team_id"'::text) > 0) THEN NULLIF("left"((before_value ->> 'team_id'::text), 512), "left"((updated_values ->> 'team_id'::text), 512))
    ELSE NULL::text
END) stored,
  key_hash text collate "C" generated always as (
CASE
    WHEN (strpos((updated_values)::text, '"token"'::text) > 0) THEN "left"((updated_values ->> 'token'::text), 512)
    ELSE NULL::text
END) stored,
  former_key_hash text collate "C" generated always as (
CASE
    WHEN (strpos((before_value)::text, '"token"'::text) > 0) THEN NULLIF("left"((before_value ->> 'token'::text), 512), "left"((updated_values ->> 'token'::text), 512))
    ELSE NULL::text
END) stored,
  traceparent character varying(55) collate "C",
  constraint audit_log_pkey PRIMARY KEY (id, occurred_at),
  constraint audit_log_context_is_an_object CHECK ((json_typeof(context) = ANY (ARRAY['object'::text, 'null'::text]))),
  constraint audit_log_occurred_at_digits_in_range CHECK (((occurred_at_digits >= 0) AND (occurred_at_digits <= 6))),
  constraint audit_log_occurred_at_in_range CHECK (((occurred_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (occurred_at < '10000-01-01 00:00:00+00'::timestamp with time zone))),
  constraint audit_log_texts_fit_an_index CHECK (((octet_length(changed_by) <= 2048) AND (octet_length(changed_by_api_key) <= 2048) AND (octet_length(action) <= 2048) AND (octet_length(table_name) <= 2048) AND (octet_length(object_id) <= 2048)))
) partition by RANGE (occurred_at);
CREATE INDEX audit_log_action ON ONLY public.audit_log USING btree (action, occurred_at, id);
CREATE INDEX audit_log_changed_by ON ONLY public.audit_log USING btree (changed_by, occurred_at, id);
CREATE INDEX audit_log_changed_by_api_key ON ONLY public.audit_log USING btree (changed_by_api_key, occurred_at, id);
CREATE INDEX audit_log_former_key_hash ON ONLY public.audit_log USING btree (former_key_hash, occurred_at, id) WHERE (former_key_hash IS NOT NULL);
CREATE INDEX audit_log_former_team_id ON ONLY public.audit_log USING btree (former_team_id, occurred_at, id) WHERE (former_team_id IS NOT NULL);
CREATE INDEX audit_log_key_hash ON ONLY public.audit_log USING btree (key_hash, occurred_at, id) WHERE (key_hash IS NOT NULL);
CREATE INDEX audit_log_object_id ON ONLY public.audit_log USING btree (object_id, occurred_at, id);
CREATE INDEX audit_log_occurred_at_id ON ONLY public.audit_log USING btree (occurred_at, id);
CREATE INDEX audit_log_recorded_at_id ON ONLY public.audit_log USING btree (recorded_at, id);
CREATE INDEX audit_log_table_name ON ONLY public.audit_log USING btree (table_name, occurred_at, id);
CREATE INDEX audit_log_team_id ON ONLY public.audit_log USING btree (team_id, occurred_at, id) WHERE (team_id IS NOT NULL);
CREATE TRIGGER audit_log_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.audit_log FOR EACH STATEMENT EXECUTE FUNCTION public.audit_log_append_only();
CREATE TRIGGER audit_log_keep_unexported BEFORE DELETE ON public.audit_log FOR EACH ROW EXECUTE FUNCTION public.audit_log_keep_unexported();
CREATE TRIGGER audit_log_to_outbox AFTER INSERT ON public.audit_log REFERENCING NEW TABLE AS recorded FOR EACH STATEMENT EXECUTE FUNCTION public.audit_log_to_outbox();
grant insert, select on public.audit_log to auditbox_api;
grant select on public.audit_log to auditbox_exporter;
grant delete, select on public.audit_log to auditbox_retention;

create table public.export_batch (
  id bigint generated by default as identity not null,
  destination text default 's3'::text not null,
  partition text not null,
  state text default 'sealed'::text not null,
  row_count integer not null,
  first_occurred_at timestamp(6) with time zone not null,
  last_occurred_at timestamp(6) with time zone not null,
  sealed_at timestamp(6) with time zone default clock_timestamp() not null,
  attempts integer default 0 not null,
  next_attempt_at timestamp(6) with time zone default clock_timestamp() not null,
  lease_token uuid,
  leased_until timestamp(6) with time zone,
  sha256 text,
  object_key text,
  bytes bigint,
  object_bytes bigint,
  exported_at timestamp(6) with time zone,
  last_error text,
  constraint export_batch_pkey PRIMARY KEY (id),
  constraint export_batch_done_is_proven CHECK ((((state = 'done'::text) = (exported_at IS NOT NULL)) AND ((state <> 'done'::text) OR (sha256 IS NOT NULL)))),
  constraint export_batch_failed_says_why CHECK (((state <> 'failed'::text) OR (last_error IS NOT NULL))),
  constraint export_batch_has_rows CHECK ((row_count > 0)),
  constraint export_batch_lease_while_uploading CHECK ((num_nonnulls(lease_token, leased_until) =
CASE state
    WHEN 'uploading'::text THEN 2
    ELSE 0
END)),
  constraint export_batch_partition_form CHECK ((partition ~ '^\d{4}-\d{2}-\d{2}(T\d{2})?$'::text)),
  constraint export_batch_rendered_whole CHECK ((num_nulls(sha256, object_key, bytes, object_bytes) = ANY (ARRAY[0, 4]))),
  constraint export_batch_sha256_form CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text)),
  constraint export_batch_state CHECK ((state = ANY (ARRAY['sealed'::text, 'uploading'::text, 'done'::text, 'failed'::text])))
);
CREATE INDEX export_batch_claimable ON public.export_batch USING btree (next_attempt_at, id) WHERE (state = ANY (ARRAY['sealed'::text, 'uploading'::text]));
CREATE INDEX export_batch_failed ON public.export_batch USING btree (id) WHERE (state = 'failed'::text);
grant select on public.export_batch to auditbox_api;
grant delete, insert, select, update on public.export_batch to auditbox_exporter;
grant select on public.export_batch to auditbox_retention;

create table public.outbox (
  id bigint generated always as identity not null,
  audit_id uuid not null,
  occurred_at timestamp(6) with time zone not null,
  recorded_at timestamp(6) with time zone not null,
  batch_id bigint,
  bytes integer not null,
  destination text default 's3'::text not null,
  quarantine_reason text,
  constraint outbox_pkey PRIMARY KEY (id),
  constraint outbox_audit_id_destination UNIQUE (audit_id, destination),
  constraint outbox_quarantined_is_in_no_batch CHECK (((batch_id IS NULL) OR (quarantine_reason IS NULL)))
);
CREATE INDEX outbox_batch ON public.outbox USING btree (batch_id) WHERE (batch_id IS NOT NULL);
CREATE INDEX outbox_pending ON public.outbox USING btree (id) WHERE ((batch_id IS NULL) AND (quarantine_reason IS NULL));
CREATE INDEX outbox_quarantined ON public.outbox USING btree (id) WHERE (quarantine_reason IS NOT NULL);
grant select on public.outbox to auditbox_api;
grant select, update (batch_id, quarantine_reason) on public.outbox to auditbox_exporter;
grant select on public.outbox to auditbox_retention;

create table public.pruned_event (
  id uuid not null,
  occurred_at timestamp(6) with time zone not null,
  batch_id bigint not null,
  constraint pruned_event_pkey PRIMARY KEY (id)
);
CREATE INDEX pruned_event_occurred_at ON public.pruned_event USING btree (occurred_at);
grant select on public.pruned_event to auditbox_api;
grant select on public.pruned_event to auditbox_retention;

create view public.outbox_status as
 SELECT o.id,
    o.audit_id,
    o.destination,
    o.occurred_at,
    o.recorded_at,
        CASE
            WHEN o.quarantine_reason IS NOT NULL THEN 'quarantined'::text
            WHEN o.batch_id IS NULL THEN 'pending'::text
            ELSE b.state
        END AS state,
    o.batch_id,
        CASE
            WHEN b.state = 'done'::text THEN b.object_key
            ELSE NULL::text
        END AS object_key,
        CASE
            WHEN b.state = 'done'::text THEN b.sha256
            ELSE NULL::text
        END AS sha256,
    b.exported_at,
    COALESCE(o.quarantine_reason, b.last_error) AS last_error
   FROM public.outbox o
     LEFT JOIN public.export_batch b ON b.id = o.batch_id;
grant select on public.outbox_status to auditbox_api;
grant select on public.outbox_status to auditbox_exporter;
grant select on public.outbox_status to auditbox_retention;

CREATE OR REPLACE FUNCTION public.audit_log_append_only()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  if current_user = 'auditbox_retention' and tg_op = 'DELETE' then
    return null;
  end if;
  raise exception 'audit_log is append-only: % refused', tg_op
    using errcode = 'insufficient_privilege', table = 'audit_log',
          hint = 'Rows past retention are deleted by the role auditbox_retention.';
end $function$;

CREATE OR REPLACE FUNCTION public.audit_log_close_month(month text)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
 SET lock_timeout TO '500ms'
AS $function$
declare
  ends timestamptz;
begin
  if month !~ '^audit_log_[0-9]{4}_[0-9]{2}$' then
    raise exception '% is no month of audit_log', month using errcode = 'invalid_parameter_value';
  end if;
  ends := (to_date(right(month, 7), 'YYYY_MM') + interval '1 month') at time zone 'UTC';
  if ends > clock_timestamp() then
    raise exception 'the month % is not over', month using errcode = 'insufficient_privilege', table = 'audit_log';
  end if;
  execute format('alter table public.%I add constraint audit_log_month_closed check (false) not valid', month);
exception when duplicate_object or undefined_table then
  null; -- Another exporter was here before.
end $function$;
revoke execute on function public.audit_log_close_month(text) from public;
grant execute on function public.audit_log_close_month(text) to auditbox_retention;

CREATE OR REPLACE FUNCTION public.audit_log_drop_month(month text)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
 SET lock_timeout TO '500ms'
AS $function$
declare
  starts timestamptz;
  ends timestamptz;
  is_closed boolean;
begin
  if month !~ '^audit_log_[0-9]{4}_[0-9]{2}$' then
    raise exception '% is no month of audit_log', month using errcode = 'invalid_parameter_value';
  end if;
  starts := to_date(right(month, 7), 'YYYY_MM')::timestamp at time zone 'UTC';
  ends := (to_date(right(month, 7), 'YYYY_MM') + interval '1 month') at time zone 'UTC';
  -- In one look: another exporter may drop it meanwhile.
  select exists (select from pg_constraint where conrelid = c.oid and conname = 'audit_log_month_closed') into is_closed
  from pg_class c where c.relname = month and c.relnamespace = 'public'::regnamespace;
  if not found then
    return true;
  elsif not is_closed then
    raise exception 'the month % is not closed', month using errcode = 'insufficient_privilege', table = 'audit_log';
  end if;
  if exists (
      select from public.outbox
      where batch_id is null and quarantine_reason is null and occurred_at >= starts and occurred_at < ends
    ) or exists (
      select from public.outbox
      where quarantine_reason is not null and occurred_at >= starts and occurred_at < ends
    ) or exists (
      select from public.export_batch
      where state in ('sealed', 'uploading', 'failed') and first_occurred_at < ends and last_occurred_at >= starts
    ) then
    return false;
  end if;
  execute format('drop table if exists public.%I', month);
  delete from public.pruned_event where occurred_at >= starts and occurred_at < ends;
  return true;
end $function$;
revoke execute on function public.audit_log_drop_month(text) from public;
grant execute on function public.audit_log_drop_month(text) to auditbox_retention;

CREATE OR REPLACE FUNCTION public.audit_log_keep_unexported()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public'
AS $function$
begin
  if exists (
    select from public.outbox o left join public.export_batch b on b.id = o.batch_id
    where o.audit_id = old.id and b.state is distinct from 'done'
  ) then
    raise exception 'the audit event % is not exported yet', old.id
      using errcode = 'insufficient_privilege', table = 'audit_log';
  end if;
  return old;
end $function$;
revoke execute on function public.audit_log_keep_unexported() from public;

CREATE OR REPLACE FUNCTION public.audit_log_make_partition(at timestamp with time zone)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
 SET lock_timeout TO '5s'
AS $function$
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
end $function$;
grant execute on function public.audit_log_make_partition(timestamp with time zone) to public;
grant execute on function public.audit_log_make_partition(timestamp with time zone) to auditbox_api;
grant execute on function public.audit_log_make_partition(timestamp with time zone) to auditbox_exporter;

CREATE OR REPLACE FUNCTION public.audit_log_to_outbox()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public'
AS $function$
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
end $function$;
revoke execute on function public.audit_log_to_outbox() from public;

CREATE OR REPLACE FUNCTION public.audit_words(before_value json, updated_values json, context json)
 RETURNS tsvector
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
$function$;
grant execute on function public.audit_words(json,json,json) to public;
grant execute on function public.audit_words(json,json,json) to auditbox_api;

CREATE OR REPLACE FUNCTION public.outbox_prune(retention_days integer, max_rows integer)
 RETURNS integer
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
  with gone as (
    delete from public.outbox where id in (
      select o.id
      from public.export_batch b
      join public.outbox o on o.batch_id = b.id
      where b.state = 'done' and b.exported_at < now() - retention_days * interval '1 day'
      order by b.id
      limit max_rows
      for update of o skip locked
    )
    returning audit_id, occurred_at, batch_id
  ), remembered as (
    insert into public.pruned_event (id, occurred_at, batch_id) select audit_id, occurred_at, batch_id from gone
    on conflict (id) do nothing
  )
  select count(*)::integer from gone
$function$;
revoke execute on function public.outbox_prune(integer,integer) from public;
grant execute on function public.outbox_prune(integer,integer) to auditbox_retention;
