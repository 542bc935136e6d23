-- The migrated schema, to read the current body of each function in one place.
-- Written by `npm run db:schema` from a migrated database; changes belong in a migration. Months of audit_log are left out.

create schema auditbox;
grant usage on schema auditbox to auditbox_api;
grant usage on schema auditbox to auditbox_exporter;
grant usage on schema auditbox to auditbox_retention;
grant usage on schema auditbox to auditbox_writer;

create schema public;
grant usage on schema public to public;

grant select on sequence auditbox.batch_id_seq to auditbox_exporter;

grant select on sequence auditbox.outbox_id_seq to auditbox_exporter;

create table auditbox.api_key (
  id uuid default gen_random_uuid() not null,
  name text not null,
  key_hash text not null,
  scopes text[] not null,
  created_at timestamp(6) with time zone default now() not null,
  revoked_at timestamp(6) with time zone,
  key_id uuid not null,
  prefix text default ''::text not null,
  tenant text,
  bounds json default '{}'::json not null,
  created_by text default ''::text not null,
  expires_at timestamp(6) with time zone,
  replaced_at timestamp(6) with time zone,
  revoked_by text,
  last_used_at timestamp(6) with time zone,
  last_used_address text,
  constraint api_key_pkey PRIMARY KEY (id),
  constraint api_key_hash UNIQUE (key_hash),
  constraint api_key_scopes CHECK (((scopes <@ ARRAY['read'::text, 'write'::text, 'admin'::text, 'audit:read'::text, 'audit:write'::text, 'export:read'::text, 'export:replay'::text, 'keys:admin'::text]) AND (cardinality(scopes) > 0)))
);
CREATE UNIQUE INDEX api_key_current_name ON auditbox.api_key USING btree (COALESCE(tenant, ''::text), name) WHERE ((revoked_at IS NULL) AND (replaced_at IS NULL));
CREATE INDEX api_key_key_id ON auditbox.api_key USING btree (key_id);
grant select on auditbox.api_key to auditbox_api;

create table auditbox.audit_log (
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
  traceparent character varying(55) collate "C",
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
  recorded_by text collate "C" default ('sql:'::text || (SESSION_USER)::text) not null,
  tenant text collate "C" default ''::text not null,
  redacted json,
  content_hash bytea,
  constraint audit_log_pkey PRIMARY KEY (id, occurred_at),
  constraint audit_log_context_is_an_object CHECK ((json_typeof(context) = ANY (ARRAY['object'::text, 'null'::text]))),
  constraint audit_log_occurred_at_digits_in_range CHECK (((occurred_at_digits >= 0) AND (occurred_at_digits <= 6))),
  constraint audit_log_occurred_at_in_range CHECK (((occurred_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (occurred_at < '10000-01-01 00:00:00+00'::timestamp with time zone))),
  constraint audit_log_texts_fit_an_index CHECK (((octet_length(changed_by) <= 2048) AND (octet_length(changed_by_api_key) <= 2048) AND (octet_length(action) <= 2048) AND (octet_length(table_name) <= 2048) AND (octet_length(object_id) <= 2048)))
) partition by RANGE (occurred_at);
CREATE INDEX audit_log_action ON ONLY auditbox.audit_log USING btree (action, occurred_at, id);
CREATE INDEX audit_log_changed_by ON ONLY auditbox.audit_log USING btree (changed_by, occurred_at, id);
CREATE INDEX audit_log_changed_by_api_key ON ONLY auditbox.audit_log USING btree (changed_by_api_key, occurred_at, id);
CREATE INDEX audit_log_former_key_hash ON ONLY auditbox.audit_log USING btree (former_key_hash, occurred_at, id) WHERE (former_key_hash IS NOT NULL);
CREATE INDEX audit_log_former_key_hash_in_text ON ONLY auditbox.audit_log USING btree (NULLIF(NULLIF("left"(auditbox.member_in_text(before_value, 'token'::text), 512), key_hash), "left"(auditbox.member_in_text(updated_values, 'token'::text), 512)), occurred_at, id) WHERE ((json_typeof(before_value) = 'string'::text) AND (strpos((before_value)::text, 'token'::text) > 0));
CREATE INDEX audit_log_former_team_id ON ONLY auditbox.audit_log USING btree (former_team_id, occurred_at, id) WHERE (former_team_id IS NOT NULL);
CREATE INDEX audit_log_former_team_id_in_text ON ONLY auditbox.audit_log USING btree (NULLIF(NULLIF("left"(auditbox.member_in_text(before_value, 'team_id'::text), 512), team_id), "left"(auditbox.member_in_text(updated_values, 'team_id'::text), 512)), occurred_at, id) WHERE ((json_typeof(before_value) = 'string'::text) AND (strpos((before_value)::text, 'team_id'::text) > 0));
CREATE INDEX audit_log_key_hash ON ONLY auditbox.audit_log USING btree (key_hash, occurred_at, id) WHERE (key_hash IS NOT NULL);
CREATE INDEX audit_log_key_hash_in_text ON ONLY auditbox.audit_log USING btree (NULLIF("left"(auditbox.member_in_text(updated_values, 'token'::text), 512), former_key_hash), occurred_at, id) WHERE ((json_typeof(updated_values) = 'string'::text) AND (strpos((updated_values)::text, 'token'::text) > 0));
CREATE INDEX audit_log_object_id ON ONLY auditbox.audit_log USING btree (object_id, occurred_at, id);
CREATE INDEX audit_log_occurred_at_id ON ONLY auditbox.audit_log USING btree (occurred_at, id);
CREATE INDEX audit_log_recorded_at_id ON ONLY auditbox.audit_log USING btree (recorded_at, id);
CREATE INDEX audit_log_recorded_by ON ONLY auditbox.audit_log USING btree (recorded_by, occurred_at, id);
CREATE INDEX audit_log_table_name ON ONLY auditbox.audit_log USING btree (table_name, occurred_at, id);
CREATE INDEX audit_log_team_id ON ONLY auditbox.audit_log USING btree (team_id, occurred_at, id) WHERE (team_id IS NOT NULL);
CREATE INDEX audit_log_team_id_in_text ON ONLY auditbox.audit_log USING btree (NULLIF("left"(auditbox.member_in_text(updated_values, 'team_id'::text), 512), former_team_id), occurred_at, id) WHERE ((json_typeof(updated_values) = 'string'::text) AND (strpos((updated_values)::text, 'team_id'::text) > 0));
CREATE INDEX audit_log_tenant ON ONLY auditbox.audit_log USING btree (tenant, occurred_at, id) WHERE (tenant <> ''::text);
CREATE TRIGGER audit_log_append_only BEFORE DELETE OR UPDATE ON auditbox.audit_log FOR EACH STATEMENT EXECUTE FUNCTION auditbox.refuse_change();
alter table auditbox.audit_log enable always trigger audit_log_append_only;
CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON auditbox.audit_log FOR EACH STATEMENT EXECUTE FUNCTION auditbox.refuse_change();
alter table auditbox.audit_log enable always trigger audit_log_no_truncate;
CREATE TRIGGER audit_log_to_outbox AFTER INSERT ON auditbox.audit_log REFERENCING NEW TABLE AS recorded FOR EACH STATEMENT EXECUTE FUNCTION auditbox.audit_log_to_outbox();
alter table auditbox.audit_log enable always trigger audit_log_to_outbox;
grant insert (action, before_value, changed_by, changed_by_api_key, content_hash, context, id, object_id, occurred_at, occurred_at_digits, recorded_by, redacted, table_name, tenant, traceparent, updated_values), select on auditbox.audit_log to auditbox_api;
grant select on auditbox.audit_log to auditbox_exporter;
grant select on auditbox.audit_log to auditbox_retention;
grant insert (action, before_value, changed_by, changed_by_api_key, context, id, object_id, occurred_at, occurred_at_digits, table_name, tenant, traceparent, updated_values), select (id, occurred_at) on auditbox.audit_log to auditbox_writer;

create table auditbox.batch (
  id bigint generated always as identity not null,
  partition text not null,
  outbox_ids int8multirange not null,
  row_count integer not null,
  first_occurred_at timestamp(6) with time zone not null,
  last_occurred_at timestamp(6) with time zone not null,
  first_recorded_at timestamp(6) with time zone not null,
  sealed_at timestamp(6) with time zone default clock_timestamp() not null,
  replay_for text,
  tenant text collate "C",
  constraint batch_pkey PRIMARY KEY (id),
  constraint batch_has_rows CHECK (((row_count > 0) AND (NOT isempty(outbox_ids)))),
  constraint batch_partition_form CHECK ((partition ~ '^\d{4}-\d{2}-\d{2}(T\d{2})?$'::text))
);
CREATE INDEX batch_month ON auditbox.batch USING btree (date_trunc('month'::text, (first_occurred_at AT TIME ZONE 'UTC'::text)), id);
CREATE INDEX batch_outbox_ids ON auditbox.batch USING gist (outbox_ids) WHERE (replay_for IS NULL);
CREATE INDEX batch_partition ON auditbox.batch USING btree (partition COLLATE "C", id);
CREATE TRIGGER batch_ids_are_in_one_batch AFTER INSERT ON auditbox.batch REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION auditbox.check_new_batches();
alter table auditbox.batch enable always trigger batch_ids_are_in_one_batch;
CREATE TRIGGER batch_never_changes BEFORE DELETE OR UPDATE OR TRUNCATE ON auditbox.batch FOR EACH STATEMENT EXECUTE FUNCTION auditbox.refuse_change();
alter table auditbox.batch enable always trigger batch_never_changes;
grant select on auditbox.batch to auditbox_api;
grant select on auditbox.batch to auditbox_exporter;
grant select on auditbox.batch to auditbox_retention;

create table auditbox.captured_table (
  schema_name text not null,
  table_name text not null,
  function_name text not null,
  columns text[] not null,
  options json not null,
  captured_at timestamp(6) with time zone default now() not null,
  captured_by text not null,
  constraint captured_table_pkey PRIMARY KEY (schema_name, table_name)
);
grant select on auditbox.captured_table to auditbox_exporter;
grant select on auditbox.captured_table to auditbox_writer;

create table auditbox.delivery (
  destination text not null,
  batch_id bigint not null,
  state text default 'sealed'::text not null,
  attempts integer default 0 not null,
  next_attempt_at timestamp(6) with time zone default clock_timestamp() not null,
  lease_token uuid,
  leased_until timestamp(6) with time zone,
  sha256 text,
  object_key text,
  ndjson_bytes bigint,
  object_bytes bigint,
  done_at timestamp(6) with time zone,
  last_error text,
  lines_root text,
  object_sha256 text,
  log_index bigint,
  waits_since timestamp(6) with time zone default clock_timestamp(),
  next_row integer default 0 not null,
  sent_as text,
  constraint delivery_pkey PRIMARY KEY (destination, batch_id),
  constraint delivery_archive_is_objects CHECK (((destination <> 's3'::text) OR (sent_as IS NULL))),
  constraint delivery_done_is_proven CHECK ((((state = 'done'::text) = (done_at IS NOT NULL)) AND ((state <> 'done'::text) OR (sha256 IS NOT NULL) OR (sent_as IS NOT NULL)))),
  constraint delivery_failed_says_why CHECK (((state <> 'failed'::text) OR (last_error IS NOT NULL))),
  constraint delivery_lease_while_sending CHECK ((num_nonnulls(lease_token, leased_until) =
CASE state
    WHEN 'sending'::text THEN 2
    ELSE 0
END)),
  constraint delivery_lines_root_form CHECK ((lines_root ~ '^[0-9a-f]{64}$'::text)),
  constraint delivery_log_index_when_done CHECK (((log_index IS NULL) OR (state = 'done'::text))),
  constraint delivery_object_sha256_form CHECK ((object_sha256 ~ '^[0-9a-f]{64}$'::text)),
  constraint delivery_rendered_whole CHECK ((num_nulls(sha256, object_key, ndjson_bytes, object_bytes) = ANY (ARRAY[0, 4]))),
  constraint delivery_sha256_form CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text)),
  constraint delivery_state CHECK ((state = ANY (ARRAY['sealed'::text, 'sending'::text, 'done'::text, 'failed'::text])))
) with (fillfactor=70);
CREATE INDEX delivery_claimable ON auditbox.delivery USING btree (destination, next_attempt_at, batch_id) WHERE (state = ANY (ARRAY['sealed'::text, 'sending'::text]));
CREATE INDEX delivery_failed ON auditbox.delivery USING btree (destination, batch_id) WHERE (state = 'failed'::text);
CREATE INDEX delivery_unlogged ON auditbox.delivery USING btree (destination, done_at, batch_id) WHERE ((state = 'done'::text) AND (log_index IS NULL));
CREATE TRIGGER delivery_begins BEFORE INSERT ON auditbox.delivery FOR EACH ROW EXECUTE FUNCTION auditbox.check_new_delivery();
alter table auditbox.delivery enable always trigger delivery_begins;
CREATE TRIGGER delivery_changes BEFORE UPDATE ON auditbox.delivery FOR EACH ROW EXECUTE FUNCTION auditbox.check_delivery_change();
alter table auditbox.delivery enable always trigger delivery_changes;
CREATE TRIGGER delivery_no_truncate BEFORE TRUNCATE ON auditbox.delivery FOR EACH STATEMENT EXECUTE FUNCTION auditbox.refuse_change();
alter table auditbox.delivery enable always trigger delivery_no_truncate;
CREATE TRIGGER delivery_stays BEFORE DELETE ON auditbox.delivery FOR EACH ROW EXECUTE FUNCTION auditbox.keep_delivery();
alter table auditbox.delivery enable always trigger delivery_stays;
grant select on auditbox.delivery to auditbox_api;
grant delete, insert (batch_id, destination), select, update (attempts, done_at, last_error, lease_token, leased_until, lines_root, log_index, ndjson_bytes, next_attempt_at, next_row, object_bytes, object_key, object_sha256, sent_as, sha256, state) on auditbox.delivery to auditbox_exporter;
grant select on auditbox.delivery to auditbox_retention;

create table auditbox.destination (
  name text not null,
  is_paused boolean default false not null,
  created_at timestamp(6) with time zone default clock_timestamp() not null,
  history_since timestamp(6) with time zone,
  history_behind bigint,
  constraint destination_pkey PRIMARY KEY (name),
  constraint destination_name_form CHECK ((name ~ '^[a-z][a-z0-9-]{0,62}$'::text))
);
grant select on auditbox.destination to auditbox_api;
grant delete, insert (history_behind, history_since, is_paused, name), select, update (history_behind, history_since, is_paused) on auditbox.destination to auditbox_exporter;
grant select on auditbox.destination to auditbox_retention;

create table auditbox.frontier (
  is_the_only_row boolean default true not null,
  sealed_up_to bigint default 0 not null,
  gaps int8multirange default '{}'::int8multirange not null,
  closing int8multirange default '{}'::int8multirange not null,
  closing_xid xid8,
  constraint frontier_pkey PRIMARY KEY (is_the_only_row),
  constraint frontier_closing_are_gaps CHECK ((closing <@ gaps)),
  constraint frontier_closing_has_xid CHECK ((isempty(closing) OR (closing_xid IS NOT NULL))),
  constraint frontier_gaps_are_behind CHECK (((sealed_up_to >= 0) AND (upper(gaps) <= (sealed_up_to + 1)))),
  constraint frontier_has_one_row CHECK (is_the_only_row)
) with (fillfactor=50);
grant select on auditbox.frontier to auditbox_api;
grant select on auditbox.frontier to auditbox_exporter;

create table auditbox.last_verify (
  destination text not null,
  finished_at timestamp(6) with time zone default clock_timestamp() not null,
  objects bigint not null,
  differences bigint not null,
  complete_before timestamp(6) with time zone,
  constraint last_verify_pkey PRIMARY KEY (destination)
);
grant select on auditbox.last_verify to auditbox_api;
grant insert (complete_before, destination, differences, objects), select, update (complete_before, differences, finished_at, objects) on auditbox.last_verify to auditbox_exporter;

create table auditbox.log_checkpoint (
  destination text not null,
  size bigint not null,
  root text not null,
  note text,
  created_at timestamp(6) with time zone default clock_timestamp() not null,
  constraint log_checkpoint_pkey PRIMARY KEY (destination, size),
  constraint log_checkpoint_root_form CHECK ((root ~ '^[0-9a-f]{64}$'::text))
);
CREATE TRIGGER log_checkpoint_never_changes BEFORE UPDATE ON auditbox.log_checkpoint FOR EACH ROW EXECUTE FUNCTION auditbox.check_log_checkpoint();
alter table auditbox.log_checkpoint enable always trigger log_checkpoint_never_changes;
CREATE TRIGGER log_checkpoint_stays BEFORE DELETE OR TRUNCATE ON auditbox.log_checkpoint FOR EACH STATEMENT EXECUTE FUNCTION auditbox.refuse_change();
alter table auditbox.log_checkpoint enable always trigger log_checkpoint_stays;
grant select on auditbox.log_checkpoint to auditbox_api;
grant insert (destination, root, size), select, update (note) on auditbox.log_checkpoint to auditbox_exporter;

create table auditbox.log_entry (
  destination text not null,
  index bigint not null,
  batch_id bigint,
  entry text not null,
  hashes text not null,
  constraint log_entry_pkey PRIMARY KEY (destination, index),
  constraint log_entry_batch UNIQUE (destination, batch_id),
  constraint log_entry_hashes_form CHECK ((hashes ~ '^([0-9a-f]{64})+$'::text))
);
CREATE TRIGGER log_entry_never_changes BEFORE DELETE OR UPDATE OR TRUNCATE ON auditbox.log_entry FOR EACH STATEMENT EXECUTE FUNCTION auditbox.refuse_change();
alter table auditbox.log_entry enable always trigger log_entry_never_changes;
grant select on auditbox.log_entry to auditbox_api;
grant insert, select on auditbox.log_entry to auditbox_exporter;

create table auditbox.log_head (
  destination text not null,
  origin text not null,
  size bigint default 0 not null,
  published_size bigint default 0 not null,
  constraint log_head_pkey PRIMARY KEY (destination),
  constraint log_head_sizes CHECK (((published_size >= 0) AND (published_size <= size)))
);
CREATE TRIGGER log_head_only_grows BEFORE UPDATE ON auditbox.log_head FOR EACH ROW EXECUTE FUNCTION auditbox.check_log_head();
alter table auditbox.log_head enable always trigger log_head_only_grows;
CREATE TRIGGER log_head_stays BEFORE DELETE OR TRUNCATE ON auditbox.log_head FOR EACH STATEMENT EXECUTE FUNCTION auditbox.refuse_change();
alter table auditbox.log_head enable always trigger log_head_stays;
grant select on auditbox.log_head to auditbox_api;
grant insert (destination, origin), select, update (published_size, size) on auditbox.log_head to auditbox_exporter;

create table auditbox.migration (
  tag text collate "C" not null,
  sha256 text not null,
  applied_at timestamp(6) with time zone default clock_timestamp() not null,
  oldest_reader text collate "C",
  constraint migration_pkey PRIMARY KEY (tag),
  constraint migration_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text))
);
grant select on auditbox.migration to auditbox_api;
grant select on auditbox.migration to auditbox_exporter;
grant select on auditbox.migration to auditbox_retention;

create table auditbox.migration_step (
  tag text collate "C" not null,
  step integer not null,
  place text,
  rows bigint default 0 not null,
  done_at timestamp(6) with time zone,
  constraint migration_step_pkey PRIMARY KEY (tag, step)
);

create table auditbox.outbox (
  id bigint generated always as identity not null,
  audit_id uuid not null,
  occurred_at timestamp(6) with time zone not null,
  recorded_at timestamp(6) with time zone not null,
  bytes integer not null,
  constraint outbox_pkey PRIMARY KEY (id),
  constraint outbox_audit_id UNIQUE (audit_id)
) with (autovacuum_vacuum_insert_scale_factor=0.05, autovacuum_analyze_scale_factor=0.05);
CREATE TRIGGER outbox_keep_row BEFORE DELETE ON auditbox.outbox FOR EACH ROW EXECUTE FUNCTION auditbox.keep_outbox_row();
alter table auditbox.outbox enable always trigger outbox_keep_row;
CREATE TRIGGER outbox_no_truncate BEFORE TRUNCATE ON auditbox.outbox FOR EACH STATEMENT EXECUTE FUNCTION auditbox.refuse_change();
alter table auditbox.outbox enable always trigger outbox_no_truncate;
CREATE TRIGGER outbox_no_update BEFORE UPDATE ON auditbox.outbox FOR EACH STATEMENT EXECUTE FUNCTION auditbox.refuse_change();
alter table auditbox.outbox enable always trigger outbox_no_update;
grant select on auditbox.outbox to auditbox_api;
grant select on auditbox.outbox to auditbox_exporter;
grant select on auditbox.outbox to auditbox_retention;

create table auditbox.rejection (
  destination text not null,
  outbox_id bigint not null,
  batch_id bigint not null,
  audit_id uuid not null,
  occurred_at timestamp(6) with time zone not null,
  reason text not null,
  rejected_at timestamp(6) with time zone default clock_timestamp() not null,
  replayed_in bigint,
  constraint rejection_pkey PRIMARY KEY (destination, batch_id, outbox_id)
);
CREATE INDEX rejection_open ON auditbox.rejection USING btree (destination, outbox_id) WHERE (replayed_in IS NULL);
CREATE INDEX rejection_outbox_id ON auditbox.rejection USING btree (destination, outbox_id, batch_id);
CREATE TRIGGER rejection_begins BEFORE INSERT ON auditbox.rejection FOR EACH ROW EXECUTE FUNCTION auditbox.check_new_rejection();
alter table auditbox.rejection enable always trigger rejection_begins;
CREATE TRIGGER rejection_stays BEFORE DELETE ON auditbox.rejection FOR EACH ROW EXECUTE FUNCTION auditbox.keep_rejection();
alter table auditbox.rejection enable always trigger rejection_stays;
grant select on auditbox.rejection to auditbox_api;
grant delete, insert (audit_id, batch_id, destination, occurred_at, outbox_id, reason), select on auditbox.rejection to auditbox_exporter;
grant select on auditbox.rejection to auditbox_retention;

create table auditbox.secret (
  name text not null,
  value text not null,
  constraint secret_pkey PRIMARY KEY (name)
);

create view auditbox.outbox_status as
 SELECT o.id,
    o.audit_id,
    d.name AS destination,
    o.occurred_at,
    o.recorded_at,
        CASE
            WHEN b.id IS NULL THEN 'pending'::text
            WHEN r.outbox_id IS NOT NULL AND r.replayed_in IS NULL THEN 'rejected'::text
            ELSE v.state
        END AS state,
    COALESCE(r.replayed_in, r.batch_id, b.id) AS batch_id,
        CASE
            WHEN v.state = 'done'::text AND (r.outbox_id IS NULL OR r.replayed_in IS NOT NULL) THEN v.object_key
            ELSE NULL::text
        END AS object_key,
        CASE
            WHEN v.state = 'done'::text AND (r.outbox_id IS NULL OR r.replayed_in IS NOT NULL) THEN v.sha256
            ELSE NULL::text
        END AS sha256,
        CASE
            WHEN v.state = 'done'::text AND (r.outbox_id IS NULL OR r.replayed_in IS NOT NULL) THEN v.done_at
            ELSE NULL::timestamp with time zone
        END AS done_at,
    COALESCE(
        CASE
            WHEN r.replayed_in IS NULL THEN r.reason
            ELSE NULL::text
        END, v.last_error) AS last_error
   FROM auditbox.outbox o
     CROSS JOIN auditbox.destination d
     LEFT JOIN auditbox.batch b ON b.outbox_ids @> o.id AND b.replay_for IS NULL
     LEFT JOIN LATERAL ( SELECT r_1.outbox_id,
            r_1.batch_id,
            r_1.replayed_in,
            r_1.reason
           FROM auditbox.rejection r_1
          WHERE r_1.destination = d.name AND r_1.outbox_id = o.id
          ORDER BY r_1.batch_id DESC
         LIMIT 1) r ON true
     LEFT JOIN auditbox.delivery v ON v.destination = d.name AND v.batch_id = COALESCE(r.replayed_in, r.batch_id, b.id)
  WHERE b.id IS NULL OR v.batch_id IS NOT NULL;
grant select on auditbox.outbox_status to auditbox_api;
grant select on auditbox.outbox_status to auditbox_exporter;
grant select on auditbox.outbox_status to auditbox_retention;

CREATE OR REPLACE FUNCTION auditbox."as"(actor text, context json DEFAULT NULL::json, api_key text DEFAULT NULL::text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if coalesce(actor, '') = '' then
    raise exception 'the actor is empty' using errcode = 'invalid_parameter_value';
  end if;
  if json_typeof(context) <> 'object' then
    raise exception 'the context is not a JSON object' using errcode = 'invalid_parameter_value';
  end if;
  perform set_config('audit' || 'box.actor', actor, true), set_config('audit' || 'box.api_key', coalesce(api_key, ''), true),
    set_config('audit' || 'box.context', coalesce(context::text, ''), true);
end $function$;
revoke execute on function auditbox."as"(text,json,text) from public;
grant execute on function auditbox."as"(text,json,text) to auditbox_writer;

CREATE OR REPLACE FUNCTION auditbox.adopt_batch(to_destination text, adopted_id bigint, adopted_partition text, audit_ids uuid[], key text, content_sha256 text, content_bytes bigint, stored_bytes bigint, root_of_lines text, stored_sha256 text)
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET row_security TO 'off'
AS $function$
declare
  ids int8multirange;
  found_rows integer;
  existing auditbox.batch;
  sent auditbox.delivery;
  token constant uuid := gen_random_uuid();
  others text[];
begin
  perform from auditbox.frontier for update;
  -- Batches of this database that come later must not get ids of objects in the bucket.
  perform setval('auditbox.batch_id_seq', greatest(adopted_id, (select last_value from auditbox.batch_id_seq)));
  select range_agg(int8range(o.id, o.id + 1)), count(*)::int into ids, found_rows
  from auditbox.outbox o where o.audit_id = any (audit_ids);
  if ids is null then
    return 'unknown';
  end if;
  select * into existing from auditbox.batch b where b.id = adopted_id;
  if existing.id is not null and existing.outbox_ids <> ids then
    return 'conflict';
  elsif existing.id is null then
    if exists (select from auditbox.batch b where b.outbox_ids && ids and b.replay_for is null) then
      return 'conflict';
    end if;
    insert into auditbox.batch (id, partition, outbox_ids, row_count, first_occurred_at, last_occurred_at, first_recorded_at)
    overriding system value
    select adopted_id, adopted_partition, ids, found_rows, min(o.occurred_at), max(o.occurred_at), min(o.recorded_at)
    from auditbox.outbox o where o.audit_id = any (audit_ids);
    -- Other destinations may not have these rows. They get requests at least once.
    -- Locked as in auditbox.seal.
    select array_agg(d.name) into others
    from (select name from auditbox.destination where name <> to_destination for key share) d;
    insert into auditbox.delivery (destination, batch_id) select unnest(others), adopted_id;
  end if;
  insert into auditbox.delivery (destination, batch_id) values (to_destination, adopted_id) on conflict do nothing;
  select * into sent from auditbox.delivery d where d.destination = to_destination and d.batch_id = adopted_id for update;
  if sent.state = 'done' then
    return case when sent.object_key = key then 'adopted' else 'conflict' end;
  end if;
  update auditbox.delivery d set state = 'sealed' where d.destination = to_destination and d.batch_id = adopted_id
    and d.state = 'failed';
  update auditbox.delivery d
  set state = 'sending', lease_token = token, leased_until = statement_timestamp(), object_key = key,
    sha256 = content_sha256, ndjson_bytes = content_bytes, object_bytes = stored_bytes,
    lines_root = case when found_rows = cardinality(audit_ids) then root_of_lines end,
    object_sha256 = stored_sha256
  where d.destination = to_destination and d.batch_id = adopted_id;
  update auditbox.delivery d
  set state = 'done', done_at = statement_timestamp(), lease_token = null, leased_until = null, last_error = null
  where d.destination = to_destination and d.batch_id = adopted_id;
  return 'adopted';
end $function$;
revoke execute on function auditbox.adopt_batch(text,bigint,text,uuid[],text,text,bigint,bigint,text,text) from public;

CREATE OR REPLACE FUNCTION auditbox.audit_log_to_outbox()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET row_security TO 'off'
 SET standard_conforming_strings TO 'on'
 SET quote_all_identifiers TO 'off'
AS $function$
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
end $function$;
revoke execute on function auditbox.audit_log_to_outbox() from public;

CREATE OR REPLACE FUNCTION auditbox.audit_words(before_value json, updated_values json, context json)
 RETURNS tsvector
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN (((COALESCE(octet_length((before_value)::text), 0) + COALESCE(octet_length((updated_values)::text), 0)) + COALESCE(octet_length((context)::text), 0)) > 200000) THEN '''audit:large'''::tsvector ELSE json_to_tsvector('simple'::regconfig, ((((((('['::text || COALESCE((before_value)::text, 'null'::text)) || ','::text) || COALESCE((updated_values)::text, 'null'::text)) || ','::text) || COALESCE((context)::text, 'null'::text)) || ']'::text))::json, '["string", "numeric"]'::jsonb) END;
grant execute on function auditbox.audit_words(json,json,json) to public;
grant execute on function auditbox.audit_words(json,json,json) to auditbox_api;

CREATE OR REPLACE FUNCTION auditbox.capture(target regclass, key text[] DEFAULT '{}'::text[], exclude text[] DEFAULT '{}'::text[], mask text[] DEFAULT '{}'::text[], ignore text[] DEFAULT '{}'::text[], max_value integer DEFAULT 16384, require_actor boolean DEFAULT false, on_truncate text DEFAULT 'refuse'::text, name text DEFAULT NULL::text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  perform auditbox.require_capturable(target);
  perform auditbox.follow_rename(target);
  perform auditbox.install_capture(target, json_build_object('key', key, 'exclude', exclude, 'mask', mask, 'ignore', ignore,
    'max_value', max_value, 'require_actor', require_actor, 'on_truncate', on_truncate, 'name', name));
end $function$;
revoke execute on function auditbox.capture(regclass,text[],text[],text[],text[],integer,boolean,text,text) from public;
grant execute on function auditbox.capture(regclass,text[],text[],text[],text[],integer,boolean,text,text) to auditbox_writer;

CREATE OR REPLACE FUNCTION auditbox.capture_body(target regclass, options json, OUT body text, OUT settings text)
 RETURNS record
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET standard_conforming_strings TO 'on'
 SET quote_all_identifiers TO 'off'
AS $function$
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
end $function$;
revoke execute on function auditbox.capture_body(regclass,json) from public;
grant execute on function auditbox.capture_body(regclass,json) to auditbox_exporter;
grant execute on function auditbox.capture_body(regclass,json) to auditbox_writer;

CREATE OR REPLACE FUNCTION auditbox.capture_columns(target regclass)
 RETURNS TABLE(name text, place integer, type_name text, kind text, is_built_in boolean, is_long boolean, is_set boolean)
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
$function$;
revoke execute on function auditbox.capture_columns(regclass) from public;
grant execute on function auditbox.capture_columns(regclass) to auditbox_exporter;
grant execute on function auditbox.capture_columns(regclass) to auditbox_writer;

CREATE OR REPLACE FUNCTION auditbox.capture_options(target regclass)
 RETURNS json
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET row_security TO 'off'
AS $function$
  select t.options
  from auditbox.captured_table t join pg_namespace n on n.nspname = t.schema_name
  join pg_class c on c.relnamespace = n.oid and c.relname = t.table_name
  where c.oid = target
$function$;
revoke execute on function auditbox.capture_options(regclass) from public;
grant execute on function auditbox.capture_options(regclass) to auditbox_writer;

CREATE OR REPLACE FUNCTION auditbox.capture_tree(target regclass)
 RETURNS SETOF oid
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  with recursive tree (relid) as (
    select target::oid
    union
    select i.inhrelid from tree join pg_inherits i on i.inhparent = tree.relid
  )
  select relid from tree
$function$;
revoke execute on function auditbox.capture_tree(regclass) from public;
grant execute on function auditbox.capture_tree(regclass) to auditbox_exporter;
grant execute on function auditbox.capture_tree(regclass) to auditbox_writer;

CREATE OR REPLACE FUNCTION auditbox.check_delivery_change()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  numbered auditbox.delivery := old;
begin
  if old.state = 'done' and old.log_index is null and new.log_index is not null then
    numbered.log_index := new.log_index;
    if new is not distinct from numbered then
      return new;
    end if;
  end if;
  if new.destination <> old.destination or new.batch_id <> old.batch_id then
    raise exception 'a delivery keeps its destination and its batch' using errcode = 'insufficient_privilege';
  elsif (old.state || '>' || new.state) not in (
      'sealed>sealed', 'sealed>sending', 'sending>sending', 'sending>sealed', 'sending>done', 'sending>failed',
      'failed>sealed')
    and not (old.state = 'done' and new.state = 'sealed' and old.sent_as is not null and old.object_key is null) then
    raise exception 'a delivery does not go from % to %', old.state, new.state
      using errcode = 'insufficient_privilege', schema = tg_table_schema, table = tg_table_name;
  elsif new.state = 'done' and (new.sha256, new.object_key, new.ndjson_bytes, new.object_bytes, new.lines_root, new.object_sha256)
      is distinct from (old.sha256, old.object_key, old.ndjson_bytes, old.object_bytes, old.lines_root, old.object_sha256) then
    raise exception 'what a delivery was rendered to is recorded before it is sent'
      using errcode = 'insufficient_privilege', schema = tg_table_schema, table = tg_table_name;
  elsif old.sent_as is not null and new.sent_as is distinct from old.sent_as then
    raise exception 'a delivery keeps how it is sent'
      using errcode = 'insufficient_privilege', schema = tg_table_schema, table = tg_table_name;
  elsif old.state = 'sending' and new.next_row < old.next_row then
    raise exception 'a delivery does not go back while it is sent'
      using errcode = 'insufficient_privilege', schema = tg_table_schema, table = tg_table_name;
  elsif new.log_index is not null then
    raise exception 'a delivery is numbered after it is done'
      using errcode = 'insufficient_privilege', schema = tg_table_schema, table = tg_table_name;
  end if;
  if (new.next_attempt_at, new.leased_until) is distinct from (old.next_attempt_at, old.leased_until) then
    new.waits_since := clock_timestamp();
  end if;
  return new;
end $function$;
revoke execute on function auditbox.check_delivery_change() from public;

CREATE OR REPLACE FUNCTION auditbox.check_log_checkpoint()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if old.note is not null or (new.destination, new.size, new.root, new.created_at)
      is distinct from (old.destination, old.size, old.root, old.created_at) then
    raise exception 'a checkpoint never changes'
      using errcode = 'insufficient_privilege', schema = tg_table_schema, table = tg_table_name;
  end if;
  return new;
end $function$;
revoke execute on function auditbox.check_log_checkpoint() from public;

CREATE OR REPLACE FUNCTION auditbox.check_log_head()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if new.destination <> old.destination or new.origin <> old.origin
    or new.size < old.size or new.published_size < old.published_size then
    raise exception 'a log keeps its name and only grows'
      using errcode = 'insufficient_privilege', schema = tg_table_schema, table = tg_table_name;
  end if;
  return new;
end $function$;
revoke execute on function auditbox.check_log_head() from public;

CREATE OR REPLACE FUNCTION auditbox.check_new_batches()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET row_security TO 'off'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
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
end $function$;
revoke execute on function auditbox.check_new_batches() from public;

CREATE OR REPLACE FUNCTION auditbox.check_new_delivery()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if new.state <> 'sealed' then
    raise exception 'a delivery begins sealed'
      using errcode = 'insufficient_privilege', schema = tg_table_schema, table = tg_table_name;
  end if;
  return new;
end $function$;
revoke execute on function auditbox.check_new_delivery() from public;

CREATE OR REPLACE FUNCTION auditbox.check_new_rejection()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET row_security TO 'off'
AS $function$
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
end $function$;
revoke execute on function auditbox.check_new_rejection() from public;

CREATE OR REPLACE FUNCTION auditbox.close_month(month_name text)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET row_security TO 'off'
 SET lock_timeout TO '500ms'
AS $function$
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
end $function$;
revoke execute on function auditbox.close_month(text) from public;
grant execute on function auditbox.close_month(text) to auditbox_retention;

CREATE OR REPLACE FUNCTION auditbox.content_key()
 RETURNS text
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select value from auditbox.secret where name = 'content-hash'
$function$;
revoke execute on function auditbox.content_key() from public;
grant execute on function auditbox.content_key() to auditbox_api;

CREATE OR REPLACE FUNCTION auditbox.count_unarchived(month_name text, destination_name text)
 RETURNS bigint
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET row_security TO 'off'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
declare
  month record;
  held int8multirange;
  underway int8multirange;
  unarchived bigint;
begin
  select * into month from auditbox.list_months() m where m.name = month_name;
  -- A delivery holds the rows of its batch, except those that its destination rejected there.
  select range_agg(b.outbox_ids - coalesce((
      select range_agg(int8range(r.outbox_id, r.outbox_id, '[]'))
      from auditbox.rejection r where r.destination = destination_name and r.batch_id = b.id
    ), '{}')) filter (where exists (
      select from auditbox.delivery d
      where d.destination = destination_name and d.batch_id = b.id and d.state = 'done')),
    range_agg(b.outbox_ids) filter (where exists (
      -- By way of the destinations, because the key of a delivery begins with one.
      select from auditbox.destination n join auditbox.delivery d on d.destination = n.name and d.batch_id = b.id
      where d.state <> 'done'))
  into held, underway
  from auditbox.batch b
  -- By the index. A month whose bounds somebody made differently has batches of two.
  where date_trunc('month', b.first_occurred_at at time zone 'UTC') >= date_trunc('month', month.starts_at at time zone 'UTC')
    and date_trunc('month', b.first_occurred_at at time zone 'UTC') < month.ends_at at time zone 'UTC'
    and b.first_occurred_at < month.ends_at and b.last_occurred_at >= month.starts_at;
  execute format('
    select count(*)
    from auditbox.%I a
    left join auditbox.outbox o on o.audit_id = a.id and o.occurred_at = a.occurred_at
    where o.id is null or not $1 @> o.id or $2 @> o.id
      or exists (select from auditbox.rejection r where r.outbox_id = o.id and r.replayed_in is null)', month_name)
  into unarchived using coalesce(held, '{}'), coalesce(underway, '{}');
  return unarchived;
end $function$;
revoke execute on function auditbox.count_unarchived(text,text) from public;
grant execute on function auditbox.count_unarchived(text,text) to auditbox_retention;

CREATE OR REPLACE FUNCTION auditbox.create_key(new_key json, by json DEFAULT '{}'::json)
 RETURNS uuid
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET row_security TO 'off'
 SET "TimeZone" TO 'UTC'
AS $function$
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
end $function$;
revoke execute on function auditbox.create_key(json,json) from public;
grant execute on function auditbox.create_key(json,json) to auditbox_api;

CREATE OR REPLACE FUNCTION auditbox.cut_windows(blocks text[], breaks text, OUT windows text[], OUT after integer[], OUT until integer[], OUT last_blocks integer[])
 RETURNS record
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET standard_conforming_strings TO 'on'
AS $function$
declare
  piece text collate "C" := '';
  piece_after integer := 0;
  piece_until integer := 1;
  place integer;
begin
  for block in 1..cardinality(blocks) loop
    piece := piece || blocks[block];
    if block = cardinality(blocks) then
      place := piece_after + length(piece) + 1;
    else
      continue when blocks[block] collate "C" !~ breaks;
      place := piece_after + length(substring(piece from '^.*' || breaks)) - 100;
      continue when place <= piece_until;
    end if;
    piece_until := place;
    windows := windows || piece;
    after := after || piece_after;
    until := until || piece_until;
    last_blocks := last_blocks || block;
    -- What stands before a match counts.
    place := greatest(piece_until - piece_after - 100, 0);
    piece := substr(piece, place + 1);
    piece_after := piece_after + place;
  end loop;
end $function$;
revoke execute on function auditbox.cut_windows(text[],text) from public;

CREATE OR REPLACE FUNCTION auditbox.define_capture(target regclass, options json)
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET row_security TO 'off'
 SET standard_conforming_strings TO 'on'
AS $function$
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
end $function$;
revoke execute on function auditbox.define_capture(regclass,json) from public;
grant execute on function auditbox.define_capture(regclass,json) to auditbox_writer;

CREATE OR REPLACE FUNCTION auditbox.describe_key(k auditbox.api_key)
 RETURNS json
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN json_build_object('name', (k).name, 'prefix', (k).prefix, 'scopes', (k).scopes, 'tenant', (k).tenant, 'bounds', (k).bounds, 'expires_at', (k).expires_at, 'revoked_at', (k).revoked_at);
revoke execute on function auditbox.describe_key(auditbox.api_key) from public;

CREATE OR REPLACE FUNCTION auditbox.drop_month(month_name text, destination_name text)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET row_security TO 'off'
 SET lock_timeout TO '500ms'
AS $function$
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
  -- A destination that is added now, or that asks for its history now, would get deliveries whose events are dropped here.
  lock table auditbox.destination in share mode;
  if auditbox.count_unarchived(month_name, destination_name) > 0 or auditbox.find_awaiting_history(month_name) is not null then
    return false;
  end if;
  execute format('drop table auditbox.%I', month_name);
  return true;
end $function$;
revoke execute on function auditbox.drop_month(text,text) from public;
grant execute on function auditbox.drop_month(text,text) to auditbox_retention;

CREATE OR REPLACE FUNCTION auditbox.find_awaiting_history(month_name text)
 RETURNS text
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET row_security TO 'off'
 SET "TimeZone" TO 'UTC'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
declare
  month record;
  awaiting text;
begin
  select * into month from auditbox.list_months() m where m.name = month_name;
  select d.name into awaiting
  from auditbox.destination d
  where d.history_behind is not null and (d.history_since is null or d.history_since < month.ends_at)
    and exists (
      select from auditbox.batch b
      -- By the index. A month whose bounds somebody made differently has batches of two.
      where date_trunc('month', b.first_occurred_at at time zone 'UTC') >= date_trunc('month', month.starts_at at time zone 'UTC')
        and date_trunc('month', b.first_occurred_at at time zone 'UTC') < month.ends_at at time zone 'UTC'
        and b.first_occurred_at < month.ends_at and b.last_occurred_at >= month.starts_at
        and b.id > d.history_behind and b.replay_for is null
    )
  order by d.name limit 1;
  return awaiting;
end $function$;
revoke execute on function auditbox.find_awaiting_history(text) from public;
grant execute on function auditbox.find_awaiting_history(text) to auditbox_retention;

CREATE OR REPLACE FUNCTION auditbox.find_secret_end(given text, pattern text, blocks text[], last integer)
 RETURNS integer
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET standard_conforming_strings TO 'on'
AS $function$
declare
  more integer := 1;
  characters integer;
begin
  loop
    characters := length(substring(given collate "C" from pattern));
    -- An escape may be cut in two.
    if characters < length(given) - 1 or last >= cardinality(blocks) then
      return characters;
    end if;
    given := given || array_to_string(blocks[last + 1:last + more], '');
    last := last + more;
    more := more * 2;
  end loop;
end $function$;
revoke execute on function auditbox.find_secret_end(text,text,text[],integer) from public;

CREATE OR REPLACE FUNCTION auditbox.follow_rename(target regclass)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET row_security TO 'off'
AS $function$
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
end $function$;
revoke execute on function auditbox.follow_rename(regclass) from public;
grant execute on function auditbox.follow_rename(regclass) to auditbox_writer;

CREATE OR REPLACE FUNCTION auditbox.forget_capture(table_schema text, table_name text)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET row_security TO 'off'
AS $function$
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
end $function$;
revoke execute on function auditbox.forget_capture(text,text) from public;
grant execute on function auditbox.forget_capture(text,text) to auditbox_writer;

CREATE OR REPLACE FUNCTION auditbox.forget_dropped(max_batches integer)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET row_security TO 'off'
 SET plan_cache_mode TO 'force_custom_plan'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET enable_sort TO 'off'
AS $function$
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
end $function$;
revoke execute on function auditbox.forget_dropped(integer) from public;
grant execute on function auditbox.forget_dropped(integer) to auditbox_retention;

CREATE OR REPLACE FUNCTION auditbox.hash_content(texts text[], vals json[])
 RETURNS bytea
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET standard_conforming_strings TO 'on'
AS $function$
declare
  key constant text := auditbox.content_key();
  content text := '';
begin
  for place in 1..cardinality(texts) loop
    content := content || coalesce(length(texts[place]) || ':' || texts[place], '-') || e'\x1f';
  end loop;
  -- Blanks between tokens do not count.
  for place in 1..cardinality(vals) loop
    content := content || coalesce(regexp_replace(vals[place]::text, '("(?:[^"\\]|\\.)*")|[ \t\n\r]+', '\1', 'g'), '') || e'\x1f';
  end loop;
  return substr(sha256(convert_to(key || encode(sha256(convert_to(key || content, 'UTF8')), 'hex'), 'UTF8')), 1, 16);
end $function$;
revoke execute on function auditbox.hash_content(text[],json[]) from public;

CREATE OR REPLACE FUNCTION auditbox.hide_capture(target regclass)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET row_security TO 'off'
AS $function$
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
end $function$;
revoke execute on function auditbox.hide_capture(regclass) from public;
grant execute on function auditbox.hide_capture(regclass) to auditbox_writer;

CREATE OR REPLACE FUNCTION auditbox.install_capture(target regclass, options json)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
end $function$;
revoke execute on function auditbox.install_capture(regclass,json) from public;
grant execute on function auditbox.install_capture(regclass,json) to auditbox_writer;

CREATE OR REPLACE FUNCTION auditbox.is_harmless(given text, kind text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ((given = ''::text) OR ((length(given) <= 128) AND (((kind = ANY (ARRAY['token'::text, 'api-key'::text])) AND ((given COLLATE "C") ~ '^(?:[0-9a-fA-F]{64}|[A-Za-z0-9_-]{0,12}\.{3}[A-Za-z0-9_-]{0,8})$'::text)) OR ((given COLLATE "C") ~ '^(?:[^\n\r\u2028\u2029]{0,4}\*{3,}[^\n\r\u2028\u2029]{0,4}|\[redacted:[^\]]*\]|os\.environ/[A-Za-z0-9_]+)$'::text))));
revoke execute on function auditbox.is_harmless(text,text) from public;

CREATE OR REPLACE FUNCTION auditbox.is_json_text(given text)
 RETURNS boolean
 LANGUAGE plpgsql
 IMMUTABLE STRICT
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET standard_conforming_strings TO 'on'
AS $function$
begin
  return given::json is not null and not auditbox.nests_deeper(given, 128);
exception when others then
  return false;
end $function$;
revoke execute on function auditbox.is_json_text(text) from public;

CREATE OR REPLACE FUNCTION auditbox.is_unreadable(value json)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ((strpos((value)::text, '\u'::text) > 0) AND (replace((value)::text, '\\'::text, '/'::text) ~ '\\u0000|\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F]'::text));
revoke execute on function auditbox.is_unreadable(json) from public;

CREATE OR REPLACE FUNCTION auditbox.keep_delivery()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET row_security TO 'off'
AS $function$
begin
  if exists (select from auditbox.destination d where d.name = old.destination) then
    raise exception 'the destination % is in use; its deliveries stay', old.destination
      using errcode = 'insufficient_privilege', schema = tg_table_schema, table = tg_table_name;
  end if;
  return old;
end $function$;
revoke execute on function auditbox.keep_delivery() from public;

CREATE OR REPLACE FUNCTION auditbox.keep_outbox_row()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET row_security TO 'off'
AS $function$
begin
  if exists (select from auditbox.audit_log a where a.id = old.audit_id and a.occurred_at = old.occurred_at) then
    raise exception 'the outbox row % belongs to an event that is still recorded', old.id
      using errcode = 'insufficient_privilege', schema = tg_table_schema, table = tg_table_name;
  end if;
  return old;
end $function$;
revoke execute on function auditbox.keep_outbox_row() from public;

CREATE OR REPLACE FUNCTION auditbox.keep_rejection()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET row_security TO 'off'
AS $function$
begin
  if exists (select from auditbox.destination d where d.name = old.destination)
    and not exists (
      select from auditbox.delivery d
      where d.destination = old.destination and d.batch_id = old.batch_id
        and (d.state = 'failed' or (d.state = 'sealed' and d.sent_as is not null and d.next_row = 0))
    ) then
    raise exception 'the row % stays rejected by %', old.outbox_id, old.destination
      using errcode = 'insufficient_privilege', schema = tg_table_schema, table = tg_table_name;
  end if;
  return old;
end $function$;
revoke execute on function auditbox.keep_rejection() from public;

CREATE OR REPLACE FUNCTION auditbox.kind_of_name(name text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN auditbox.kind_of_plain_name(CASE WHEN ((name COLLATE "C") ~ '[^A-Za-z0-9_. -]'::text) THEN regexp_replace(lower(("right"(translate(name, 'Kİ'::text, 'ki'::text), 64) COLLATE "C")), '[\u0001-/:-`{-\u007f\u0080-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u00d7\u00f7\u02c2-\u02c5\u02d2-\u02df\u02e5-\u02eb\u02ed\u02ef-\u036f\u2000-\u206f\u2072-\u2073\u207a-\u207e\u208a-\u208f\u209d-\u2101\u2103-\u2106\u2108-\u2109\u2114\u2116-\u2118\u211e-\u2123\u2125\u2127\u2129\u212e\u213a-\u213b\u2140-\u2144\u214a-\u214d\u214f\u218a-\u245f\u249c-\u24e9\u2500-\u2775\u2794-\u2bff\u3000-\u3004\u3008-\u3020\u302a-\u3030\u3036-\u3037\u303d-\u303f\ufe00-\ufe6f\ufefd-\uff0f\U0001f000-\U0001f0ff\U0001f10d-\U0001faff\U0010d800-\U0010e000]+'::text, ''::text, 'g'::text) ELSE auditbox.plain_names("right"(name, 64)) END);
revoke execute on function auditbox.kind_of_name(text) from public;

CREATE OR REPLACE FUNCTION auditbox.kind_of_plain_name(plain text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN (plain ~~ ANY (ARRAY['pass'::text, 'pin'::text, 'otp'::text, 'mfacode'::text, 'recoverycodes'::text, 'backupcodes'::text, '%password'::text, '%passwd'::text, '%pwd'::text, '%passphrase'::text, '%passwordhash'::text, '%passcode'::text])) THEN 'password'::text WHEN (plain ~~ ANY (ARRAY['%secret'::text, '%secrets'::text, '%signingkey'::text, '%encryptionkey'::text, '%masterkey'::text, '%hmackey'::text])) THEN 'secret'::text WHEN (plain ~~ ANY (ARRAY['%apikey'::text, '%apikeys'::text, '%accesskey'::text, '%secretkey'::text, '%subscriptionkey'::text])) THEN 'api-key'::text WHEN (plain ~~ ANY (ARRAY['%privatekey'::text, '%sshkey'::text, '%serviceaccountjson'::text, '%serviceaccountkey'::text])) THEN 'private-key'::text WHEN (plain ~~ ANY (ARRAY['%token'::text, '%jwt'::text])) THEN 'token'::text WHEN (plain ~~ ANY (ARRAY['%authorization'::text])) THEN 'authorization'::text WHEN (plain ~~ ANY (ARRAY['%cookie'::text, '%cookies'::text])) THEN 'cookie'::text WHEN (plain ~~ ANY (ARRAY['%credential'::text, '%credentials'::text])) THEN 'credentials'::text WHEN (plain ~~ ANY (ARRAY['dsn'::text, '%connectionstring'::text, '%connstr'::text])) THEN 'connection-string'::text WHEN (plain ~~ ANY (ARRAY['cvv'::text, 'cvc'::text, 'cardnumber'::text])) THEN 'card-number'::text ELSE NULL::text END;
revoke execute on function auditbox.kind_of_plain_name(text) from public;

CREATE OR REPLACE FUNCTION auditbox.line_bytes(texts text, before_value json, updated_values json, context json)
 RETURNS integer
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN (LEAST((2147483647)::bigint, (((((276)::bigint + octet_length((to_json(texts))::text)) + COALESCE(octet_length((before_value)::text), 4)) + COALESCE(octet_length((updated_values)::text), 4)) + COALESCE(octet_length((context)::text), 4))))::integer;
revoke execute on function auditbox.line_bytes(text,json,json,json) from public;

CREATE OR REPLACE FUNCTION auditbox.list_months()
 RETURNS TABLE(name text, starts_at timestamp with time zone, ends_at timestamp with time zone, is_closed boolean)
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
AS $function$
  select c.relname, bounds[1]::timestamptz, bounds[2]::timestamptz,
    exists (select from pg_constraint k where k.conrelid = c.oid and k.conname = 'audit_log_month_closed')
  from pg_inherits i
  join pg_class c on c.oid = i.inhrelid
  cross join lateral (
    select regexp_match(pg_get_expr(c.relpartbound, c.oid), $re$^FOR VALUES FROM \('(.+)'\) TO \('(.+)'\)\Z$re$) as bounds
  ) bound
  where i.inhparent = 'auditbox.audit_log'::regclass and bounds is not null
$function$;
revoke execute on function auditbox.list_months() from public;
grant execute on function auditbox.list_months() to auditbox_api;
grant execute on function auditbox.list_months() to auditbox_exporter;
grant execute on function auditbox.list_months() to auditbox_retention;

CREATE OR REPLACE FUNCTION auditbox.make_month(at timestamp with time zone)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET row_security TO 'off'
 SET lock_timeout TO '5s'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
AS $function$
declare
  starts timestamptz := date_trunc('month', at);
  ends timestamptz := date_trunc('month', at) + interval '1 month';
  month_name text := 'audit_log_' || to_char(at, 'YYYY_MM');
begin
  if at < timestamptz '1970-01-01 00:00:00+00' or at > clock_timestamp() + interval '1 year' then
    return null;
  end if;
  if exists (select from auditbox.list_months() m where m.starts_at <= at and at < m.ends_at) then
    return false;
  end if;
  perform from auditbox.migration where tag = '0004_months' for update;
  -- Again: the month may have been committed during the wait.
  if exists (select from auditbox.list_months() m where m.starts_at <= at and at < m.ends_at) then
    return false;
  end if;
  if exists (select from pg_class c where c.relname = month_name and c.relnamespace = 'auditbox'::regnamespace) then
    raise exception 'the table % is there but is not a month of audit_log', month_name
      using errcode = 'object_not_in_prerequisite_state', constraint = 'audit_log_month_detached',
            schema = 'auditbox', table = month_name,
            hint = format('It was detached by hand. Attach it again: alter table auditbox.audit_log attach partition auditbox.%I for values from (%L) to (%L).', month_name, starts, ends);
  end if;
  -- Inserts alone must start autovacuum: counts read the visibility map, and the index of words has a list to merge.
  begin
    execute format(
      'create table auditbox.%I (like auditbox.audit_log including defaults including constraints including generated) with (
        autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05)', month_name);
  exception when duplicate_table then
    raise exception 'the month % was made after this transaction took its snapshot', month_name
      using errcode = 'serialization_failure', hint = 'Run the transaction again.';
  end;
  execute format('create trigger audit_log_to_outbox after insert on auditbox.%I
    referencing new table as recorded for each statement execute function auditbox.audit_log_to_outbox()', month_name);
  execute format('create trigger audit_log_append_only before update or delete on auditbox.%I
    for each statement execute function auditbox.refuse_change()', month_name);
  execute format('create trigger audit_log_no_truncate before truncate on auditbox.%I
    for each statement execute function auditbox.refuse_change()', month_name);
  execute format('alter table auditbox.%I enable always trigger audit_log_to_outbox,
    enable always trigger audit_log_append_only, enable always trigger audit_log_no_truncate', month_name);
  execute format('alter table auditbox.audit_log attach partition auditbox.%I for values from (%L) to (%L)',
    month_name, starts, ends);
  return true;
end $function$;
revoke execute on function auditbox.make_month(timestamp with time zone) from public;
grant execute on function auditbox.make_month(timestamp with time zone) to auditbox_api;
grant execute on function auditbox.make_month(timestamp with time zone) to auditbox_exporter;

CREATE OR REPLACE FUNCTION auditbox.may_hold_form(given text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (((strpos(given, 'sk-'::text) > 0) AND ((given COLLATE "C") ~ 'sk-[A-Za-z0-9_-]{12}'::text)) OR (((strpos(given, 'sk_live_'::text) > 0) OR (strpos(given, 'sk_test_'::text) > 0) OR (strpos(given, 'rk_live_'::text) > 0) OR (strpos(given, 'rk_test_'::text) > 0)) AND ((given COLLATE "C") ~ '[rs]k_(?:live|test)_[A-Za-z0-9]{12}'::text)) OR ((strpos(given, 'AIza'::text) > 0) AND ((given COLLATE "C") ~ 'AIza[A-Za-z0-9_-]{12}'::text)) OR ((strpos(given, 'abx_'::text) > 0) AND ((given COLLATE "C") ~ 'abx_[a-z0-9]{1}'::text)) OR (((strpos(given, 'AKIA'::text) > 0) OR (strpos(given, 'ASIA'::text) > 0) OR (strpos(given, 'ABIA'::text) > 0) OR (strpos(given, 'ACCA'::text) > 0)) AND ((given COLLATE "C") ~ 'A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{12}'::text)) OR ((strpos(given, 'gh'::text) > 0) AND ((given COLLATE "C") ~ 'gh[pousr]_[A-Za-z0-9]{12}'::text)) OR ((strpos(given, 'github_pat_'::text) > 0) AND ((given COLLATE "C") ~ 'github_pat_[A-Za-z0-9_]{12}'::text)) OR ((strpos(given, 'glpat-'::text) > 0) AND ((given COLLATE "C") ~ 'glpat-[A-Za-z0-9_-]{12}'::text)) OR ((strpos(given, 'xox'::text) > 0) AND ((given COLLATE "C") ~ 'xox[abeprs]-[A-Za-z0-9-]{10}'::text)) OR ((strpos(given, 'npm_'::text) > 0) AND ((given COLLATE "C") ~ 'npm_[A-Za-z0-9]{12}'::text)) OR ((strpos(given, 'hf_'::text) > 0) AND ((given COLLATE "C") ~ 'hf_[A-Za-z0-9]{12}'::text)) OR ((strpos(given, 'hv'::text) > 0) AND ((given COLLATE "C") ~ 'hv[sb]\.[A-Za-z0-9_-]{12}'::text)) OR ((strpos(given, 'eyJ'::text) > 0) AND ((given COLLATE "C") ~ 'eyJ[A-Za-z0-9_-]{8}'::text)) OR ((strpos(given, '-----BEGIN '::text) > 0) AND ((given COLLATE "C") ~ '-----BEGIN [A-Z0-9 ]*'::text)) OR (((strpos(given, 'Bearer '::text) > 0) OR (strpos(given, 'bearer '::text) > 0) OR (strpos(given, 'BEARER '::text) > 0) OR (strpos(given, 'Basic '::text) > 0) OR (strpos(given, 'basic '::text) > 0) OR (strpos(given, 'BASIC '::text) > 0)) AND ((given COLLATE "C") ~ '(?:[Bb]earer|BEARER|[Bb]asic|BASIC) {1,8}[A-Za-z0-9._~+/=-]{12}'::text)) OR ((strpos(given, '://'::text) > 0) AND ((given COLLATE "C") ~ '://[^\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff/:@"''<>]*:[^\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff/@"''<>]+(?:@)'::text)) OR (((given COLLATE "C") ~ '[='']|[A-Za-z](?:[\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]|\\[bfnrt]|\\u[0-9a-fA-F]{4})*:[\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff\\]'::text) AND ((given COLLATE "C") ~* '(?:pass(?:word|wd|phrase|code)|pwd|secrets?|(?:api|access|private|secret|signing|encryption|master|hmac|ssh)[_-]?keys?|token|jwt|authorization|signature|credentials?|cookies?|conn(?:ection)?[_-]?str(?:ing)?)(?:''|(?:[\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]|\\[bfnrt]|\\u[0-9a-fA-F]{4})*)*[:=]'::text)));
revoke execute on function auditbox.may_hold_form(text) from public;

CREATE OR REPLACE FUNCTION auditbox.may_hold_name(given text, names text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ((strpos(names, 'password":'::text) > 0) OR (strpos(names, 'passwd":'::text) > 0) OR (strpos(names, 'pwd":'::text) > 0) OR (strpos(names, 'passphrase":'::text) > 0) OR (strpos(names, 'passwordhash":'::text) > 0) OR (strpos(names, 'passcode":'::text) > 0) OR (strpos(names, '"pass":'::text) > 0) OR (strpos(names, '"pin":'::text) > 0) OR (strpos(names, '"otp":'::text) > 0) OR (strpos(names, '"mfacode":'::text) > 0) OR (strpos(names, '"recoverycodes":'::text) > 0) OR (strpos(names, '"backupcodes":'::text) > 0) OR (strpos(names, 'secret":'::text) > 0) OR (strpos(names, 'secrets":'::text) > 0) OR (strpos(names, 'signingkey":'::text) > 0) OR (strpos(names, 'encryptionkey":'::text) > 0) OR (strpos(names, 'masterkey":'::text) > 0) OR (strpos(names, 'hmackey":'::text) > 0) OR (strpos(names, 'privatekey":'::text) > 0) OR (strpos(names, 'sshkey":'::text) > 0) OR (strpos(names, 'serviceaccountjson":'::text) > 0) OR (strpos(names, 'serviceaccountkey":'::text) > 0) OR (strpos(names, 'authorization":'::text) > 0) OR (strpos(names, 'cookie":'::text) > 0) OR (strpos(names, 'cookies":'::text) > 0) OR (strpos(names, 'credential":'::text) > 0) OR (strpos(names, 'credentials":'::text) > 0) OR (strpos(names, 'connectionstring":'::text) > 0) OR (strpos(names, 'connstr":'::text) > 0) OR (strpos(names, '"dsn":'::text) > 0) OR (strpos(names, '"cvv":'::text) > 0) OR (strpos(names, '"cvc":'::text) > 0) OR (strpos(names, '"cardnumber":'::text) > 0) OR ((given COLLATE "C") ~ '[^A-Za-z0-9_. "-][A-Za-z0-9_. -]*"[ \t\n\r]*:'::text) OR (((strpos(names, 'apikey":'::text) > 0) OR (strpos(names, 'apikeys":'::text) > 0) OR (strpos(names, 'accesskey":'::text) > 0) OR (strpos(names, 'secretkey":'::text) > 0) OR (strpos(names, 'subscriptionkey":'::text) > 0) OR (strpos(names, 'token":'::text) > 0) OR (strpos(names, 'jwt":'::text) > 0)) AND ((given COLLATE "C") ~* '(?:t[^a-z0-9"]*o[^a-z0-9"]*k[^a-z0-9"]*e[^a-z0-9"]*n|j[^a-z0-9"]*w[^a-z0-9"]*t)[^a-z0-9"]*"\s*:(?!\s|null|true|false|""|"[0-9a-f]{64}"|"[A-Za-z0-9_-]{0,12}\.{3}[A-Za-z0-9_-]{0,8}"|[0-9-])|(?:a[^a-z0-9"]*p[^a-z0-9"]*i[^a-z0-9"]*k[^a-z0-9"]*e[^a-z0-9"]*y|a[^a-z0-9"]*p[^a-z0-9"]*i[^a-z0-9"]*k[^a-z0-9"]*e[^a-z0-9"]*y[^a-z0-9"]*s|a[^a-z0-9"]*c[^a-z0-9"]*c[^a-z0-9"]*e[^a-z0-9"]*s[^a-z0-9"]*s[^a-z0-9"]*k[^a-z0-9"]*e[^a-z0-9"]*y|s[^a-z0-9"]*e[^a-z0-9"]*c[^a-z0-9"]*r[^a-z0-9"]*e[^a-z0-9"]*t[^a-z0-9"]*k[^a-z0-9"]*e[^a-z0-9"]*y|s[^a-z0-9"]*u[^a-z0-9"]*b[^a-z0-9"]*s[^a-z0-9"]*c[^a-z0-9"]*r[^a-z0-9"]*i[^a-z0-9"]*p[^a-z0-9"]*t[^a-z0-9"]*i[^a-z0-9"]*o[^a-z0-9"]*n[^a-z0-9"]*k[^a-z0-9"]*e[^a-z0-9"]*y)[^a-z0-9"]*"\s*:(?!\s|null|true|false|""|"[0-9a-f]{64}"|"[A-Za-z0-9_-]{0,12}\.{3}[A-Za-z0-9_-]{0,8}")'::text)));
revoke execute on function auditbox.may_hold_name(text,text) from public;

CREATE OR REPLACE FUNCTION auditbox.may_hold_secret(texts text, vals text, names text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (auditbox.may_hold_name(vals, names) OR auditbox.may_hold_form(vals) OR auditbox.may_hold_form(texts) OR (strpos(texts, '"'::text) > 0) OR ((strpos(vals, '\'::text) > 0) AND ((vals COLLATE "C") ~ '\\(?:["/]|u00[2-7])'::text)));
revoke execute on function auditbox.may_hold_secret(text,text,text) from public;

CREATE OR REPLACE FUNCTION auditbox.member_in_text(value json, name text)
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE STRICT
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET standard_conforming_strings TO 'on'
AS $function$
declare
  inner_value json := value;
  is_json boolean := false;
  plain text;
begin
  -- As the generated columns do: a name that is written with escapes is not found. Only a string has JSON text in it.
  if json_typeof(value) <> 'string' or strpos(value::text, name) = 0 then
    return null;
  end if;
  for level in 1..3 loop
    inner_value := (inner_value #>> '{}')::json;
    exit when json_typeof(inner_value) <> 'string';
  end loop;
  if strpos(inner_value::text, '"' || name || '"') = 0 then
    return null;
  end if;
  is_json := true;
  return inner_value ->> name;
exception when others then
  if not is_json then
    return null;
  end if;
  begin
    -- Postgres reads no member of an object that has \u0000 or half of a surrogate pair anywhere. All escapes of these become others.
    -- Not by a regular expression that looks for halves: its time grows with the square of their number.
    plain := replace(replace(inner_value::text, '\\', '\u005c'), '\u0000', '\ufffd');
    return replace(replace(plain, '\ud', '\u1'), '\uD', '\u1')::json ->> name;
  exception when others then
    return null;
  end;
end $function$;
grant execute on function auditbox.member_in_text(json,text) to public;
grant execute on function auditbox.member_in_text(json,text) to auditbox_api;

CREATE OR REPLACE FUNCTION auditbox.nests_deeper(value text, most integer)
 RETURNS boolean
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE STRICT
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET standard_conforming_strings TO 'on'
AS $function$
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
end $function$;
revoke execute on function auditbox.nests_deeper(text,integer) from public;

CREATE OR REPLACE FUNCTION auditbox.note_key_use(uses json)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  update auditbox.api_key k set last_used_at = u.at, last_used_address = u.address
  from json_to_recordset(uses) as u (id uuid, at timestamptz, address text)
  where k.id = u.id and (k.last_used_at is null or k.last_used_at < u.at);
end $function$;
revoke execute on function auditbox.note_key_use(json) from public;
grant execute on function auditbox.note_key_use(json) to auditbox_api;

CREATE OR REPLACE FUNCTION auditbox.oldest_transaction(OUT held_s double precision, OUT is_complete boolean)
 RETURNS record
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT ROW((GREATEST((0)::numeric, COALESCE(max(EXTRACT(epoch FROM (clock_timestamp() - holders.began_at))), (0)::numeric)))::double precision, pg_has_role(CURRENT_USER, 'pg_read_all_stats'::name, 'usage'::text)) AS "row" FROM (SELECT pg_stat_activity.xact_start AS began_at FROM pg_stat_activity WHERE (((pg_stat_activity.backend_xmin IS NOT NULL) OR (pg_stat_activity.backend_xid IS NOT NULL)) AND (pg_stat_activity.datname = current_database()) AND (pg_stat_activity.pid <> pg_backend_pid()) AND (pg_stat_activity.backend_type <> 'autovacuum worker'::text)) UNION ALL SELECT pg_prepared_xacts.prepared FROM pg_prepared_xacts WHERE (pg_prepared_xacts.database = current_database())) holders);
revoke execute on function auditbox.oldest_transaction() from public;
grant execute on function auditbox.oldest_transaction() to auditbox_api;
grant execute on function auditbox.oldest_transaction() to auditbox_exporter;

CREATE OR REPLACE FUNCTION auditbox.outbox_holders(known text)
 RETURNS text
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  with lock as materialized (
    select locktype, relation, database, mode, virtualtransaction, pid, transactionid::text as xid
    from pg_catalog.pg_locks where granted
  ), own as (
    select virtualtransaction, pid, xid from lock where locktype = 'transactionid' and mode = 'ExclusiveLock'
  ), holder as (
    select distinct own.xid
    from lock join own on own.virtualtransaction = lock.virtualtransaction and own.pid is not distinct from lock.pid
    where lock.locktype = 'relation' and lock.relation = 'auditbox.outbox'::regclass and lock.mode = 'RowExclusiveLock'
      and lock.database = (select oid from pg_catalog.pg_database where datname = current_database())
  )
  select json_build_object(
    'holders', (select coalesce(json_agg(xid), '[]') from holder),
    'running', (
      select coalesce(json_agg(xid), '[]') from own
      where xid in (select * from json_array_elements_text(known::json)) or xid in (select xid from holder)
    ))::text
$function$;
revoke execute on function auditbox.outbox_holders(text) from public;
grant execute on function auditbox.outbox_holders(text) to auditbox_api;

CREATE OR REPLACE FUNCTION auditbox.outbox_ids_given()
 RETURNS int8range
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select int8range(s.seqmin, coalesce(pg_sequence_last_value(s.seqrelid), s.seqmin - 1) + 1)
  from pg_catalog.pg_sequence s where s.seqrelid = 'auditbox.outbox_id_seq'::regclass
$function$;
revoke execute on function auditbox.outbox_ids_given() from public;
grant execute on function auditbox.outbox_ids_given() to auditbox_api;

CREATE OR REPLACE FUNCTION auditbox.own_table(name text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN ('auditbox.'::text || name);
revoke execute on function auditbox.own_table(text) from public;

CREATE OR REPLACE FUNCTION auditbox.path_to_unreadable(value json, path text)
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET standard_conforming_strings TO 'on'
AS $function$
declare
  mark constant text := '!unreadable!';
  here json := regexp_replace(regexp_replace(replace(value::text, '\\', '\/'),
    '\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}', '', 'g'),
    '\\u0000|\\u[dD][89a-fA-F][0-9a-fA-F]{2}', mark, 'g')::json;
  step record;
begin
  for level in 1..32 loop
    if json_typeof(here) = 'object' then
      select '.' || key as name, element into step
      from json_each(here) as each (key, element) where strpos(element::text, mark) > 0 limit 1;
    elsif json_typeof(here) = 'array' then
      select '[' || place - 1 || ']' as name, element into step
      from json_array_elements(here) with ordinality as each (element, place) where strpos(element::text, mark) > 0 limit 1;
    else
      return path;
    end if;
    -- No element: the name of a member is unreadable.
    exit when not found;
    path := path || step.name;
    here := step.element;
  end loop;
  return path;
end $function$;
revoke execute on function auditbox.path_to_unreadable(json,text) from public;

CREATE OR REPLACE FUNCTION auditbox.pause_destination(destination_name text, pause boolean, by json DEFAULT NULL::json)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET row_security TO 'off'
 SET "TimeZone" TO 'UTC'
AS $function$
begin
  update auditbox.destination d set is_paused = pause where d.name = destination_name and d.is_paused <> pause;
  if found then
    perform auditbox.record_export_change(destination_name, json_build_object('is_paused', pause), by);
  end if;
  return exists (select from auditbox.destination d where d.name = destination_name);
end $function$;
revoke execute on function auditbox.pause_destination(text,boolean,json) from public;
grant execute on function auditbox.pause_destination(text,boolean,json) to auditbox_api;
grant execute on function auditbox.pause_destination(text,boolean,json) to auditbox_exporter;

CREATE OR REPLACE FUNCTION auditbox.plain_names(given text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN replace(replace(replace(replace(replace(replace(replace(lower((given COLLATE "C")), '	'::text, ''::text), '
'::text, ''::text), ''::text, ''::text), ' '::text, ''::text), '.'::text, ''::text), '-'::text, ''::text), '_'::text, ''::text);
revoke execute on function auditbox.plain_names(text) from public;

CREATE OR REPLACE FUNCTION auditbox.recapture(target regclass)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  stored json;
begin
  perform auditbox.require_capturable(target);
  perform auditbox.follow_rename(target);
  stored := auditbox.capture_options(target);
  if stored is null then
    raise exception '% is not captured', target using errcode = 'undefined_object';
  end if;
  perform auditbox.install_capture(target, stored);
end $function$;
revoke execute on function auditbox.recapture(regclass) from public;
grant execute on function auditbox.recapture(regclass) to auditbox_writer;

CREATE OR REPLACE FUNCTION auditbox.reconcile_audit_log(behind_time timestamp with time zone, behind_id uuid, max_rows integer, OUT next_time timestamp with time zone, OUT next_id uuid, OUT restored bigint, OUT conflicting bigint)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET row_security TO 'off'
 SET plan_cache_mode TO 'force_custom_plan'
 SET enable_seqscan TO 'off'
AS $function$
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
end $function$;
revoke execute on function auditbox.reconcile_audit_log(timestamp with time zone,uuid,integer) from public;
grant execute on function auditbox.reconcile_audit_log(timestamp with time zone,uuid,integer) to auditbox_exporter;

CREATE OR REPLACE FUNCTION auditbox.reconcile_outbox(behind bigint, max_rows integer, OUT next_behind bigint, OUT lost_rows bigint)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET row_security TO 'off'
 SET plan_cache_mode TO 'force_custom_plan'
 SET enable_seqscan TO 'off'
AS $function$
declare
  f auditbox.frontier;
  last bigint;
  lost int8multirange;
begin
  lost_rows := 0;
  select * into f from auditbox.frontier for update skip locked;
  if not found then
    next_behind := behind;
    return;
  end if;
  if behind <= 0 and f.sealed_up_to > (select last_value from auditbox.outbox_id_seq) then
    perform auditbox.repair_frontier();
    select * into f from auditbox.frontier;
  end if;
  -- The lock came first, so this snapshot sees every batch that the frontier counts.
  select max(last_id), range_agg(int8range(first_id, last_id, '[]'))
  into last, lost
  from (
    select min(id) as first_id, max(id) as last_id
    from (
      select id, id - row_number() over (order by id) as island
      from (
        select o.id from auditbox.outbox o where o.id > behind and o.id <= f.sealed_up_to order by o.id limit max_rows
      ) block
    ) numbered
    group by island
  ) islands;
  next_behind := last;
  if last is null then
    return;
  end if;
  lost := lost - f.gaps - coalesce((
    select range_agg(b.outbox_ids) from auditbox.batch b
    where b.replay_for is null and b.outbox_ids && int8range(behind, last, '(]')
  ), '{}');
  if not isempty(lost) then
    update auditbox.frontier set gaps = gaps + lost;
    select sum(upper(ids) - lower(ids)) into lost_rows from unnest(lost) as ids;
  end if;
end $function$;
revoke execute on function auditbox.reconcile_outbox(bigint,integer) from public;
grant execute on function auditbox.reconcile_outbox(bigint,integer) to auditbox_exporter;

CREATE OR REPLACE FUNCTION auditbox.record(changed_by text, action text, table_name text, object_id text, updated_values json DEFAULT NULL::json, before_value json DEFAULT NULL::json, context json DEFAULT NULL::json, changed_by_api_key text DEFAULT ''::text, updated_at timestamp with time zone DEFAULT NULL::timestamp with time zone, id uuid DEFAULT NULL::uuid)
 RETURNS uuid
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET row_security TO 'off'
 SET "TimeZone" TO 'UTC'
AS $function$
#variable_conflict use_column
declare
  event_id uuid := coalesce(record.id, gen_random_uuid());
  event_time timestamptz := coalesce(record.updated_at, statement_timestamp());
  violated text;
  stored auditbox.audit_log;
  found_id uuid;
  texts text[] := array[record.changed_by, record.changed_by_api_key, record.action, record.table_name, record.object_id];
  vals json[] := array[record.before_value, record.updated_values, record.context];
  places json;
  sent_hash bytea;
  all_texts constant text := array_to_string(texts, e'\n');
  all_values constant text := concat_ws(e'\n', record.before_value::text, record.updated_values::text, record.context::text);
  names constant text := auditbox.plain_names(all_values);
begin
  if event_time < clock_timestamp() - interval '400 days' and not pg_has_role(session_user,
      (select n.nspowner from pg_namespace n where n.nspname = 'auditbox'), 'member') then
    raise exception 'the event time of % is more than 400 days ago', event_id
      using errcode = 'check_violation', constraint = 'audit_log_occurred_at_too_old', detail = event_id::text;
  end if;
  if auditbox.may_hold_secret(all_texts, all_values, names) then
    select r.texts, r.vals, r.redacted into texts, vals, places from auditbox.redact_event(texts, vals) r;
    if places is not null then
      sent_hash := auditbox.hash_content(
        array[record.changed_by, record.changed_by_api_key, record.action, record.table_name, record.object_id],
        array[record.before_value, record.updated_values, record.context]);
    end if;
  end if;
  for try in 1..3 loop
    begin
      insert into auditbox.audit_log as a (id, occurred_at, changed_by, changed_by_api_key, action, table_name, object_id,
        before_value, updated_values, context, redacted, content_hash)
      values (event_id, event_time, texts[1], texts[2], texts[3], texts[4], texts[5], vals[1], vals[2], vals[3], places, sent_hash)
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
  -- A redacted value cannot be compared. One that was stored before `record` replaced secrets can.
  if (case when stored.redacted is not null then
      stored.content_hash is distinct from coalesce(sent_hash, auditbox.hash_content(
        array[record.changed_by, record.changed_by_api_key, record.action, record.table_name, record.object_id],
        array[record.before_value, record.updated_values, record.context]))
    else
      (stored.changed_by, stored.changed_by_api_key, stored.action, stored.table_name, stored.object_id,
        stored.before_value::text::jsonb, stored.updated_values::text::jsonb, stored.context::text::jsonb)
      is distinct from (record.changed_by, record.changed_by_api_key, record.action, record.table_name, record.object_id,
        record.before_value::text::jsonb, record.updated_values::text::jsonb, record.context::text::jsonb)
    end) or record.updated_at <> stored.occurred_at then
    raise exception 'the id % is stored with another content', event_id
      using errcode = 'unique_violation', constraint = 'outbox_audit_id', table = 'outbox', detail = event_id::text,
            hint = 'An event never changes. Give the new event another id.';
  end if;
  return event_id;
end $function$;
revoke execute on function auditbox.record(text,text,text,text,json,json,json,text,timestamp with time zone,uuid) from public;
grant execute on function auditbox.record(text,text,text,text,json,json,json,text,timestamp with time zone,uuid) to auditbox_writer;

CREATE OR REPLACE FUNCTION auditbox.record_export_change(destination_name text, updated_values json, by json)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if by is null and coalesce(pg_has_role(session_user, to_regrole('auditbox_exporter')::oid, 'member'), true) then
    return;
  end if;
  perform auditbox.make_month(statement_timestamp());
  insert into auditbox.audit_log (changed_by, action, table_name, object_id, updated_values, recorded_by)
  values (coalesce(by ->> 'changed_by', session_user), 'updated', auditbox.own_table('destination'), destination_name, updated_values,
    coalesce(by ->> 'recorded_by', 'sql:' || session_user));
end $function$;
revoke execute on function auditbox.record_export_change(text,json,json) from public;

CREATE OR REPLACE FUNCTION auditbox.record_key_change(act text, key_id uuid, before_value json, updated_values json, by json)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET standard_conforming_strings TO 'on'
AS $function$
declare
  whose text := coalesce(coalesce(updated_values, before_value) ->> 'tenant', '');
  -- Those that the trigger of audit_log refuses.
  odd_characters constant text :=
    '[\u0001-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]';
begin
  -- A statement may have stored a key with a tenant that no event can have. Such a key can be revoked, too.
  if whose ~ odd_characters then
    whose := '';
  end if;
  perform auditbox.make_month(statement_timestamp());
  insert into auditbox.audit_log (changed_by, action, table_name, object_id, before_value, updated_values, recorded_by, tenant)
  values (coalesce(by ->> 'changed_by', session_user), act, auditbox.own_table('api_key'), key_id::text, before_value, updated_values,
    coalesce(by ->> 'recorded_by', 'sql:' || session_user), whose);
end $function$;
revoke execute on function auditbox.record_key_change(text,uuid,json,json,json) from public;

CREATE OR REPLACE FUNCTION auditbox.redact_event(INOUT texts text[], INOUT vals json[], OUT redacted json)
 RETURNS record
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET standard_conforming_strings TO 'on'
AS $function$
declare
  text_names constant text[] := array['changed_by', 'changed_by_api_key', 'action', 'table_name', 'object_id'];
  value_names constant text[] := array['before_value', 'updated_values', 'context'];
  it record;
  value text;
  names text;
  places text[] := '{}';
begin
  -- A text with quotes may be JSON with secret names.
  if auditbox.may_hold_form(array_to_string(texts, e'\n')) or strpos(array_to_string(texts, ''), '"') > 0 then
    for place in 1..cardinality(texts) loop
      select r.* into it from auditbox.redact_text(texts[place], null, 3) r;
      continue when it.redacted is null;
      -- The hash is what LiteLLM stores for a key, so the events of one key stay together.
      texts[place] := case
        when text_names[place] in ('object_id', 'changed_by_api_key') and texts[place] collate "C" ~ '^sk-[A-Za-z0-9_-]{16,}$'
          then encode(sha256(convert_to(texts[place], 'UTF8')), 'hex')
        else it.redacted end;
      places := places || ('/' || text_names[place]);
    end loop;
  end if;
  for place in 1..cardinality(vals) loop
    value := vals[place]::text;
    names := auditbox.plain_names(value);
    if auditbox.may_hold_secret('', value, names) then
      select r.* into it from auditbox.redact_json(value, '/' || value_names[place], 3) r;
      if it.redacted is not null then
        vals[place] := it.redacted::json;
        places := places || it.pointers;
      end if;
    end if;
  end loop;
  if cardinality(places) > 0 then
    redacted := ('[' || (select string_agg(to_json(place)::text, ',' order by number)
      from unnest(places) with ordinality as each (place, number)) || ']')::json;
  end if;
end $function$;
revoke execute on function auditbox.redact_event(text[],json[]) from public;

CREATE OR REPLACE FUNCTION auditbox.redact_forms(given text)
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE STRICT
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET standard_conforming_strings TO 'on'
AS $function$
declare
  -- The character before a secret belongs to the match.
  forms constant text :=
    '(?:^|[^A-Za-z0-9_-])sk-(?=[a-z-]*[A-Z0-9_])[A-Za-z0-9_-]{16,}'
    || '|(?:^|[^A-Za-z0-9_-])[rs]k_(?:live|test)_[A-Za-z0-9]{16,}'
    || '|(?:^|[^A-Za-z0-9_-])AIza[A-Za-z0-9_-]{35}'
    || '|(?:^|[^A-Za-z0-9_-])abx_[a-z0-9]{1,12}_[0-9A-Za-z]{38}'
    || '|(?:^|[^A-Za-z0-9_-])A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}(?![A-Za-z0-9])'
    || '|(?:^|[^A-Za-z0-9_-])gh[pousr]_[A-Za-z0-9]{36,}'
    || '|(?:^|[^A-Za-z0-9_-])github_pat_[A-Za-z0-9_]{50,}'
    || '|(?:^|[^A-Za-z0-9_-])glpat-[A-Za-z0-9_-]{20,}'
    || '|(?:^|[^A-Za-z0-9_-])xox[abeprs]-[A-Za-z0-9-]{10,}'
    || '|(?:^|[^A-Za-z0-9_-])npm_[A-Za-z0-9]{36,}'
    || '|(?:^|[^A-Za-z0-9_-])hf_[A-Za-z0-9]{30,}'
    || '|(?:^|[^A-Za-z0-9_-])hv[sb]\.[A-Za-z0-9_-]{20,}'
    || '|(?:^|[^A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){2,4}'
    || '|-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----'
    || '|(?:^|[^A-Za-z])(?:[Bb]earer|BEARER|[Bb]asic|BASIC) {1,8}(?=[a-z._~+/-]*[A-Z0-9=])[A-Za-z0-9._~+/=-]{16,}'
    || '|://[^\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff/:@"''<>]*:(?!\[redacted:|\*{3})[^\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff/@"''<>]+(?=@)';
  lead constant text :=
    '^(?:[^A-Za-z0-9_-]?(?:(sk-|sk_live_|sk_test_|rk_live_|rk_test_|AIza|abx_)|(AKIA|ASIA|ABIA|ACCA)|(ghp_|gho_|ghu_|ghs_|ghr_|github_pat_|glpat-|xoxa-|xoxb-|xoxe-|xoxp-|xoxr-|xoxs-|npm_|hf_|hvs\.|hvb\.)|(eyJ)|(-----BEGIN ))'
    || '|((?:^|[^A-Za-z])(?:[Bb]earer|BEARER|[Bb]asic|BASIC) {1,8})'
    || '|(://[^\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff/:@"''<>]*:)' || ')';
  kind_of_form constant text[] := array['api-key', 'aws-key', 'token', 'jwt', 'private-key', 'authorization', 'password'];
  -- Ends where the secret begins. It looks behind at a sign alone, and signs are rare.
  assigned constant text :=
    '["''](?<=(?:pass(?:word|wd|phrase|code)|pwd|secrets?|(?:api|access|private|secret|signing|encryption|master|hmac|ssh)[_-]?keys?|token|jwt|authorization|signature|credentials?|cookies?|conn(?:ection)?[_-]?str(?:ing)?)["''])[\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]{0,8}[:=][\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]{0,8}["''](?!\[redacted:|[0-9a-f]{64}(?![0-9a-f])|\*{3}|os\.environ/)(?=[^"''\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff])'
    || '|[:=](?<=[a-z"''\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff][:=])(?<=(?:pass(?:word|wd|phrase|code)|pwd|secrets?|(?:api|access|private|secret|signing|encryption|master|hmac|ssh)[_-]?keys?|token|jwt|authorization|signature|credentials?|cookies?|conn(?:ection)?[_-]?str(?:ing)?)[\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]{0,8}[:=])[\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]{0,8}["''](?!\[redacted:|[0-9a-f]{64}(?![0-9a-f])|\*{3}|os\.environ/)(?=[^"''\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]{4})'
    || '|[=](?<=[a-z"''\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff][=])(?<=(?:pass(?:word|wd|phrase|code)|pwd|secrets?|(?:api|access|private|secret|signing|encryption|master|hmac|ssh)[_-]?keys?|token|jwt|authorization|signature|credentials?|cookies?|conn(?:ection)?[_-]?str(?:ing)?)["'']?[\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]{0,8}=)(?!\[redacted:|[0-9a-f]{64}(?![0-9a-f])|\*{3}|os\.environ/)(?=[^\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff&;,"''<>\\]{6})'
    || '|[:=](?<=[a-z"''\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff][:=])(?<=(?:pass(?:word|wd|phrase|code)|pwd|secrets?|(?:api|access|private|secret|signing|encryption|master|hmac|ssh)[_-]?keys?|token|jwt|authorization|signature|credentials?|cookies?|conn(?:ection)?[_-]?str(?:ing)?)["'']?[\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]{0,8}[:=])[\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]{1,8}(?!\[redacted:|[0-9a-f]{64}(?![0-9a-f])|\*{3}|os\.environ/)(?=[^\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff&;,"''<>\\]{6})(?=[^\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff&;,"''<>\\][a-z]*[^a-z\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff&;,"''<>\\.:!?)])';
  whole constant integer := length(given) + 1;
  -- The text in pieces of one length.
  block_length integer := whole;
  blocks text[] := array[given];
  windows text[] collate "C" := blocks;
  windows_after integer[] := '{0}';
  windows_until integer[] := array[whole];
  last_blocks integer[] := '{1}';
  after integer;
  until integer := 1;
  piece text collate "C";
  -- A character that the text does not hold, around a match.
  mark text := chr(57344);
  starts integer[] := '{}';
  ends integer[] := '{}';
  kinds text[] := '{}';
  here integer;
  stop integer := 1;
  match text collate "C";
  groups text[];
  place integer;
  kept integer := 1;
  it record;
  redacted text[] := '{}';
begin
  if whole > 8160 then
    block_length := 4080;
    blocks := array(
      select string_agg(cell.match[1], '' order by cell.place)
      from regexp_matches(given, '.{1,255}', 'g') with ordinality as cell (match, place)
      group by (cell.place - 1) / 16 order by (cell.place - 1) / 16);
    select * into windows, windows_after, windows_until, last_blocks from auditbox.cut_windows(blocks,
      case when strpos(given, '://') > 0 then '[\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"''<>]' else '[^A-Za-z0-9._~+/=-]' end);
  end if;
  while strpos(given, mark) > 0 loop
    mark := chr(ascii(mark) + 1);
  end loop;
  for number in 1..cardinality(windows) loop
    after := windows_after[number];
    while stop < windows_until[number] loop
      place := greatest(greatest(stop, until) - 1 - after, 1);
      piece := regexp_replace(windows[number], forms, mark || '\&' || mark, place, 1);
      here := strpos(piece, mark);
      exit when here = 0 or after + here >= windows_until[number];
      match := split_part(piece, mark, 2);
      stop := here + length(match);
      groups := regexp_match(match, lead);
      place := 1;
      while groups[place] is null loop
        place := place + 1;
      end loop;
      here := after + here + case when place > 5 then length(groups[place])
        else strpos(left(match, 2), left(groups[place], 1)) - 1 end;
      if kind_of_form[place] in ('private-key') then
        stop := coalesce(after + stop + auditbox.find_secret_end(substr(windows[number], stop),
          '^.*?(?:-----END [^-]{0,60}-----)', blocks, last_blocks[number]), whole);
      else
        stop := after + stop;
      end if;
      -- Of very many secrets no list is kept.
      if cardinality(starts) >= 500 then
        stop := whole;
      end if;
      starts := starts || here;
      ends := ends || stop;
      kinds := kinds || kind_of_form[place];
    end loop;
    until := windows_until[number];
  end loop;
  if given ~ '[:=]' then
    if cardinality(blocks) > 1 then
      select * into windows, windows_after, windows_until, last_blocks from auditbox.cut_windows(blocks, '[^A-Za-z]');
    end if;
    until := 1;
    stop := 1;
    for number in 1..cardinality(windows) loop
      after := windows_after[number];
      while stop < windows_until[number] loop
        piece := regexp_replace(windows[number], assigned, mark || '\&' || mark, greatest(stop, until) - after, 1, 'i');
        here := strpos(piece, mark);
        exit when here = 0 or after + here >= windows_until[number];
        match := split_part(piece, mark, 2);
        here := here + length(match);
        stop := case when cardinality(starts) >= 2 * 500 then whole
          else after + here + auditbox.find_secret_end(substr(windows[number], here), case right(match, 1)
            when '"' then '^(?:[^"\\]|\\.)*'
            when '''' then '^(?:[^''\\]|\\.)*'
            else '^[^\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff&;,"''<>\\]*' end, blocks, last_blocks[number]) end;
        starts := starts || (after + here);
        ends := ends || stop;
        kinds := kinds || 'assignment'::text;
      end loop;
      until := windows_until[number];
    end loop;
  end if;
  if cardinality(starts) = 0 then
    return null;
  end if;
  -- Of two that overlap, the one that begins first stays, to the end of both.
  for it in
    select found.* from unnest(starts || whole, ends || whole, kinds || ''::text) with ordinality as found (start, stop, kind, place)
    order by found.start, found.place
  loop
    if it.start >= kept then
      while kept < it.start loop
        place := (kept - 1) % block_length;
        redacted := redacted || substr(blocks[(kept - 1) / block_length + 1], place + 1, least(it.start - kept, block_length - place));
        kept := kept + least(it.start - kept, block_length - place);
      end loop;
      if it.start < whole then
        redacted := redacted || ('[redacted:' || it.kind || ']');
      end if;
    end if;
    kept := greatest(kept, it.stop);
  end loop;
  return array_to_string(redacted, '');
end $function$;
revoke execute on function auditbox.redact_forms(text) from public;

CREATE OR REPLACE FUNCTION auditbox.redact_json(given text, root text, texts_in_texts integer, OUT redacted text, OUT count integer, OUT pointers text[])
 RETURNS record
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET standard_conforming_strings TO 'on'
AS $function$
declare
  -- A string without escapes is in the text as it is, so one search of the text answers for all of them.
  may_hold_plainly constant boolean := auditbox.may_hold_form(given);
  pieces text[] := '{}';
  -- The objects and arrays that are open: whether it is an object, and the name or place in it.
  is_object boolean[] := '{}';
  names text[] := '{}';
  depth integer := 0;
  -- How many levels are open of a list or object that is replaced as a whole.
  left_out integer := 0;
  kind text;
  parts text[];
  token text;
  string text;
  replacement text;
  more integer;
  pointer text;
  longer text;
begin
  count := 0;
  pointers := '{}';
  -- White space; then a name with its colon, a string, a bracket, a comma, or a number or word.
  for parts in
    select m from regexp_matches(given,
      '([ \t\n\r]*)("(?:[^"\\]|\\.)*"[ \t\n\r]*:|"(?:[^"\\]|\\.)*"|[][{},]|[^][{}," \t\n\r]+)', 'g') m
  loop
    token := parts[2];
    replacement := null;
    more := 1;
    if left_out > 0 then
      left_out := left_out + case when token in ('{', '[') then 1 when token in ('}', ']') then -1 else 0 end;
      continue;
    end if;
    -- No list of more secrets is read by anyone, and each replacement makes the value longer.
    if count > 5000 then
      redacted := '"[redacted:many]"';
      count := 1;
      pointers := array[root];
      return;
    end if;
    if token = ',' then
      if depth > 0 and not is_object[depth] then
        names[depth] := names[depth]::integer + 1;
      end if;
    elsif right(token, 1) = ':' then
      string := rtrim(token, e': \t\n\r');
      names[depth] := case when strpos(string, '\') > 0 then auditbox.unescape(string) else substr(string, 2, length(string) - 2) end;
      kind := auditbox.kind_of_name(names[depth]);
      if may_hold_plainly or strpos(string, '\') > 0 then
        select r.redacted, r.count into replacement, more from auditbox.redact_text(names[depth], null, texts_in_texts) r;
        if replacement is not null then
          names[depth] := replacement;
          replacement := auditbox.to_json_text(replacement, string) || substr(token, length(string) + 1);
        end if;
      end if;
    else
      if left(token, 1) = '"' then
        if kind is not null or may_hold_plainly or strpos(token, '\') > 0 then
          string := case when strpos(token, '\') > 0 then auditbox.unescape(token) else substr(token, 2, length(token) - 2) end;
          select auditbox.to_json_text(r.redacted, token), r.count into replacement, more from auditbox.redact_text(string, kind, texts_in_texts) r;
        end if;
      elsif token in ('}', ']') then
        depth := depth - 1;
      elsif kind is null then
        if token in ('{', '[') then
          depth := depth + 1;
          is_object[depth] := token = '{';
          names[depth] := '0';
        end if;
      -- true, false and null tell nothing, and tokens are counted too.
      elsif token in ('{', '[') or token not in ('true', 'false', 'null') and kind <> 'token' then
        replacement := '"[redacted:' || kind || ']"';
        left_out := case when token in ('{', '[') then 1 else 0 end;
      end if;
      kind := null;
    end if;
    pieces := pieces || (parts[1] || coalesce(replacement, token));
    if replacement is not null then
      count := count + more;
      -- Of more there is one pointer to the whole value. A long pointer ends higher up.
      if count <= 100 then
        pointer := root;
        for level in 1..depth loop
          longer := pointer || '/' || replace(replace(names[level], '~', '~0'), '/', '~1');
          exit when length(longer) > 512;
          pointer := longer;
        end loop;
        if pointer <> all (pointers) then
          pointers := pointers || pointer;
        end if;
      end if;
    end if;
  end loop;
  if count > 0 then
    redacted := array_to_string(pieces, '') || right(given, length(given) - length(rtrim(given, e' \t\n\r')));
  end if;
  if count > 100 then
    pointers := array[root];
  end if;
end $function$;
revoke execute on function auditbox.redact_json(text,text,integer) from public;

CREATE OR REPLACE FUNCTION auditbox.redact_text(given text, kind text, texts_in_texts integer, OUT redacted text, OUT count integer)
 RETURNS record
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET standard_conforming_strings TO 'on'
AS $function$
begin
  if kind is not null then
    redacted := case when not auditbox.is_harmless(given, kind) then '[redacted:' || kind || ']' end;
    count := 1;
  elsif texts_in_texts > 0 and given ~ '^[ \t\n\r]*[{[]' and auditbox.is_json_text(given) then
    select r.redacted, r.count into redacted, count from auditbox.redact_json(given, '', texts_in_texts - 1) r;
  else
    redacted := auditbox.redact_forms(given);
    count := 1;
  end if;
end $function$;
revoke execute on function auditbox.redact_text(text,text,integer) from public;

CREATE OR REPLACE FUNCTION auditbox.refuse_change()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  raise exception '%.% is append-only: % refused', tg_table_schema, tg_table_name, tg_op
    using errcode = 'insufficient_privilege', schema = tg_table_schema, table = tg_table_name,
          hint = 'Retention removes whole months: npm run retention.';
end $function$;
revoke execute on function auditbox.refuse_change() from public;

CREATE OR REPLACE FUNCTION auditbox.repair_frontier()
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET row_security TO 'off'
AS $function$
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
end $function$;
revoke execute on function auditbox.repair_frontier() from public;
grant execute on function auditbox.repair_frontier() to auditbox_exporter;

CREATE OR REPLACE FUNCTION auditbox.replay_failed(destination_name text, failed_ids bigint[], rejected_ids bigint[], by json DEFAULT NULL::json)
 RETURNS SETOF bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET row_security TO 'off'
 SET "TimeZone" TO 'UTC'
AS $function$
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
end $function$;
revoke execute on function auditbox.replay_failed(text,bigint[],bigint[],json) from public;
grant execute on function auditbox.replay_failed(text,bigint[],bigint[],json) to auditbox_api;
grant execute on function auditbox.replay_failed(text,bigint[],bigint[],json) to auditbox_exporter;

CREATE OR REPLACE FUNCTION auditbox.replay_rejections(destination_name text, rejected_ids bigint[])
 RETURNS SETOF bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET row_security TO 'off'
AS $function$
declare
  part record;
  made bigint;
begin
  -- The rows are locked, so that two replays make one batch.
  perform from auditbox.rejection r
  where r.destination = destination_name and r.outbox_id = any(rejected_ids) and r.replayed_in is null
  order by r.outbox_id, r.batch_id for update;
  for part in
    select b.partition, b.tenant, array_agg(r.outbox_id) as ids, min(r.occurred_at) as first_at, max(r.occurred_at) as last_at,
      min(o.recorded_at) as recorded_at
    from auditbox.rejection r
    join auditbox.batch b on b.id = r.batch_id
    join auditbox.delivery d on d.destination = r.destination and d.batch_id = r.batch_id and d.state <> 'failed'
    join auditbox.outbox o on o.id = r.outbox_id
    where r.destination = destination_name and r.outbox_id = any(rejected_ids) and r.replayed_in is null
    group by b.partition, b.tenant
  loop
    insert into auditbox.batch
      (partition, outbox_ids, row_count, first_occurred_at, last_occurred_at, first_recorded_at, replay_for, tenant)
    select part.partition, range_agg(int8range(id, id, '[]')), count(*), part.first_at, part.last_at, part.recorded_at,
      destination_name, part.tenant
    from unnest(part.ids) as id
    returning id into made;
    insert into auditbox.delivery (destination, batch_id) values (destination_name, made);
    update auditbox.rejection r set replayed_in = made
    where r.destination = destination_name and r.outbox_id = any(part.ids) and r.batch_id <> made and r.replayed_in is null;
    return next made;
  end loop;
end $function$;
revoke execute on function auditbox.replay_rejections(text,bigint[]) from public;
grant execute on function auditbox.replay_rejections(text,bigint[]) to auditbox_exporter;

CREATE OR REPLACE FUNCTION auditbox.require_capturable(target regclass)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  it record;
begin
  if to_regclass('pg_catalog.pg_dist_partition') is null then
    return;
  end if;
  execute 'select n.nspname, c.relname,
      exists (select from pg_catalog.pg_dist_partition p where p.logicalrelid = c.oid and p.colocationid <> 0) as is_distributed,
      exists (select from pg_catalog.pg_dist_partition p where p.logicalrelid = $2) as is_ours_distributed
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = $1'
    into it using target, 'auditbox.outbox'::regclass;
  if it.is_ours_distributed then
    raise exception '%.% cannot be captured: Citus distributes the schema of Auditbox, and capture does not work there', it.nspname, it.relname
      using errcode = 'wrong_object_type', hint = 'Let the application write the events of the table: POST /audit, or an INSERT into '
        || 'audit_log. Or use an Auditbox in a database or a schema that is not distributed.';
  elsif it.is_distributed then
    raise exception '%.% cannot be captured: Citus distributes it, and its triggers would make each write fail', it.nspname, it.relname
      using errcode = 'wrong_object_type', hint = 'Let the application write the events of the table: POST /audit, or an INSERT into audit_log.';
  end if;
end $function$;
revoke execute on function auditbox.require_capturable(regclass) from public;
grant execute on function auditbox.require_capturable(regclass) to auditbox_writer;

CREATE OR REPLACE FUNCTION auditbox.require_fresh_snapshots()
 RETURNS void
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
    raise exception 'a % transaction keeps its first snapshot and would overlook later rows', current_setting('transaction_isolation')
      using errcode = 'invalid_transaction_state', hint = 'Use the isolation level read committed.';
  end if;
end $function$;
revoke execute on function auditbox.require_fresh_snapshots() from public;

CREATE OR REPLACE FUNCTION auditbox.revoke_key(old_key_id uuid, by json DEFAULT '{}'::json)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET row_security TO 'off'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
  old auditbox.api_key;
  who constant text := coalesce(by ->> 'changed_by', session_user);
begin
  perform from auditbox.api_key k where k.key_id = old_key_id order by k.created_at, k.id for update;
  select k.* into old from auditbox.api_key k
  where k.key_id = old_key_id and k.revoked_at is null and k.replaced_at is null for update;
  if old.id is null then
    return false;
  end if;
  update auditbox.api_key k set revoked_at = now(), revoked_by = who
  where k.key_id = old_key_id and k.revoked_at is null;
  perform auditbox.record_key_change('deleted', old.key_id, auditbox.describe_key(old), null, by);
  return true;
end $function$;
revoke execute on function auditbox.revoke_key(uuid,json) from public;
grant execute on function auditbox.revoke_key(uuid,json) to auditbox_api;

CREATE OR REPLACE FUNCTION auditbox.rotate_key(old_key_id uuid, new_key json, overlap_s double precision, by json DEFAULT '{}'::json)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET row_security TO 'off'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
  old auditbox.api_key;
  made auditbox.api_key;
begin
  perform from auditbox.api_key k where k.key_id = old_key_id order by k.created_at, k.id for update;
  select k.* into old from auditbox.api_key k
  where k.key_id = old_key_id and k.revoked_at is null and k.replaced_at is null and coalesce(k.expires_at > now(), true)
  for update;
  if old.id is null then
    return false;
  end if;
  update auditbox.api_key k
  set replaced_at = now(), expires_at = least(k.expires_at, now() + overlap_s * interval '1 second')
  where k.id = old.id;
  insert into auditbox.api_key as k (key_id, name, key_hash, prefix, scopes, tenant, bounds, expires_at, created_by)
  values (old.key_id, old.name, new_key ->> 'hash', new_key ->> 'prefix', old.scopes, old.tenant, old.bounds,
    old.expires_at, coalesce(by ->> 'changed_by', session_user))
  returning k.* into made;
  perform auditbox.record_key_change('rotated', old.key_id, auditbox.describe_key(old), auditbox.describe_key(made), by);
  return true;
end $function$;
revoke execute on function auditbox.rotate_key(uuid,json,double precision,json) from public;
grant execute on function auditbox.rotate_key(uuid,json,double precision,json) to auditbox_api;

CREATE OR REPLACE FUNCTION auditbox.seal(grain text, max_rows integer, max_bytes bigint, linger_ms double precision, max_batches integer, by_tenant boolean DEFAULT false, OUT looked boolean, OUT batches integer, OUT rows bigint, OUT more boolean, OUT ripe_in_ms double precision)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET row_security TO 'off'
 SET plan_cache_mode TO 'force_custom_plan'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
AS $function$
declare
  may_note boolean := pg_current_xact_id_if_assigned() is null;
  most integer := 2 * max_rows;
begin
  if grain not in ('hour', 'day') then
    raise exception 'the grain % is not hour or day', grain using errcode = 'invalid_parameter_value';
  end if;
  if not exists (select from auditbox.frontier) then
    raise exception 'the frontier has no row'
      using errcode = 'no_data_found', schema = 'auditbox', table = 'frontier', hint = 'select auditbox.repair_frontier()';
  end if;
  -- Nothing to do leaves nothing behind: a lock on the frontier would write to the disk at every poll.
  if exists (
    select from auditbox.frontier f
    where isempty(f.gaps) and not exists (select from auditbox.outbox o where o.id > f.sealed_up_to)
  ) then
    select true, 0, 0, false, null into looked, batches, rows, more, ripe_in_ms;
    return;
  end if;
  with f as materialized (
    select sealed_up_to, gaps, closing, closing_xid from auditbox.frontier for update skip locked
  ), gap_row as materialized (
    select o.id, o.audit_id, o.occurred_at, o.recorded_at, o.bytes
    from f cross join lateral unnest(f.gaps) with ordinality as gap (ids, place) cross join lateral (
      select * from auditbox.outbox o where o.id >= lower(gap.ids) and o.id < upper(gap.ids) order by o.id limit most
    ) o
    order by gap.place, o.id
    limit most
  ), new_row as (
    select o.id, o.audit_id, o.occurred_at, o.recorded_at, o.bytes
    from f cross join lateral (
      select * from auditbox.outbox o
      where o.id > f.sealed_up_to
      order by o.id
      limit most - (select count(*) from gap_row)
    ) o
  ), seen as materialized (
    select id, occurred_at, recorded_at, bytes, date_trunc(grain, occurred_at at time zone 'UTC') as starts_at,
      -- Looked up only here, so that the outbox row of every event stays small. Empty when all tenants share a batch.
      case when by_tenant then coalesce((
        select a.tenant from auditbox.audit_log a where a.id = either.audit_id and a.occurred_at = either.occurred_at), '')
        else '' end collate "C" as tenant
    from (select * from gap_row union all select * from new_row) either
  ), weighed as (
    -- By bytes first, then by rows: all that was read can be sealed, whichever limit comes first.
    select *, (sum(bytes) over (partition by starts_at, tenant order by id rows unbounded preceding) - bytes) / max_bytes as slice
    from seen
  ), numbered as (
    select *, row_number() over (partition by starts_at, tenant, slice order by id) - 1 as place from weighed
  ), measured as materialized (
    -- A part is named by the id of its first row.
    select id, occurred_at, recorded_at, bytes, starts_at, tenant, place % max_rows + 1 as rows_so_far,
      sum(bytes) over so_far as bytes_so_far, first_value(id) over so_far as part
    from numbered
    window so_far as (partition by starts_at, tenant, slice, place / max_rows order by id rows unbounded preceding)
  ), ripe as materialized (
    select part
    from measured
    group by part
    having count(*) >= max_rows or sum(bytes) >= max_bytes
      or min(recorded_at) <= clock_timestamp() - linger_ms * interval '1 millisecond'
      or max(recorded_at) > clock_timestamp() + interval '1 second'
      -- Rows of many hours or tenants wait for company, and newer ones find no room. Waiting brings no company then.
      or (select count(*) from gap_row) > most / 2 and (select count(*) from seen) >= most
    order by part
    limit max_batches
  ), placed as materialized (
    -- These are the first rows of their part, so what is equal here has ids without a hole.
    select id, occurred_at, recorded_at, part, id - rows_so_far as island
    from measured join ripe using (part)
    where rows_so_far = 1 or bytes_so_far <= max_bytes
  ), made as (
    insert into auditbox.batch
      (partition, outbox_ids, row_count, first_occurred_at, last_occurred_at, first_recorded_at, tenant)
    select to_char(starts_at, case grain when 'hour' then 'YYYY-MM-DD"T"HH24' else 'YYYY-MM-DD' end),
      range_agg(int8range(first_id, last_id, '[]')), sum(row_count), min(first_occurred_at), max(last_occurred_at),
      min(first_recorded_at), case when by_tenant then tenant end
    from (
      select part, min(id) as first_id, max(id) as last_id, count(*) as row_count,
        min(occurred_at) as first_occurred_at, max(occurred_at) as last_occurred_at, min(recorded_at) as first_recorded_at
      from placed
      group by part, island
    ) islands
    join (select id as part, starts_at, tenant from measured where rows_so_far = 1) first_row using (part)
    group by part, starts_at, tenant
    order by part
    returning id, outbox_ids, row_count
  ), receiver as materialized (
    -- A removal waits for this lock, and a destination that was removed since the snapshot is not here. Without it a delivery
    -- would stay that nobody sends. A pause and the progress of a history do not wait, because they keep the key of the row.
    select d.name from auditbox.destination d where exists (select from made) for key share
  ), sent as (
    insert into auditbox.delivery (destination, batch_id)
    select r.name, m.id from made m cross join receiver r
  ), result as materialized (
    -- Materialised, because each mention of a column would run its query again.
    select f.*, greatest(f.sealed_up_to, (select max(id) from seen)) as next_sealed_up_to,
      (select coalesce(range_agg(outbox_ids), '{}') from made) as sealed_ids,
      -- Ids that a snapshot was looked up for: where the limit cut off the gaps, those behind it were not.
      case when (select count(*) from gap_row) >= most then int8multirange(int8range(null, (select max(id) from gap_row), '[]'))
        else int8multirange(int8range(null, null)) end as looked_up,
      pg_snapshot_xmin(pg_current_snapshot()) as xmin
    from f
  ), opened as materialized (
    select *,
      gaps + case when next_sealed_up_to > sealed_up_to
          then int8multirange(int8range(sealed_up_to, next_sealed_up_to, '(]')) else '{}' end
        - sealed_ids as unsealed,
      -- A transaction id ahead of this one comes from another server: the database was restored from a dump.
      closing_xid is null or xmin >= closing_xid or closing_xid > pg_current_xact_id() as is_over,
      closing_xid is not null and xmin >= closing_xid as is_closable
    from result
  ), looked as materialized (
    select *,
      -- Where nothing is unsealed, nobody asks.
      case when isempty(unsealed) then '{}' else (
        select coalesce(range_agg(int8range(first_id, last_id, '[]')), '{}')
        from (
          select min(id) as first_id, max(id) as last_id
          from (select id, id - row_number() over (order by id) as island from seen) s
          group by island
        ) islands
      ) end as visible
    from opened
  ), closed as materialized (
    select *, unsealed - case when is_closable then closing * looked_up - visible else '{}' end as next_gaps from looked
  ), moved as (
    update auditbox.frontier
    set sealed_up_to = next.sealed_up_to, gaps = next.gaps, closing = next.closing,
      closing_xid = case when isempty(next.closing) then null else next.closing_xid end
    from (
      select next_sealed_up_to as sealed_up_to, next_gaps as gaps,
        case
          -- The generation before is still open: what of it became visible leaves it.
          when not is_over then closing * next_gaps - visible
          when may_note then next_gaps * looked_up - visible
          else '{}'
        end as closing,
        case when is_over then pg_current_xact_id() else closing_xid end as closing_xid
      from closed
    ) next
    where (frontier.sealed_up_to, frontier.gaps, frontier.closing)
      is distinct from (next.sealed_up_to, next.gaps, next.closing)
  ), counted as materialized (
    select (select count(*) from made) as batches, (select coalesce(sum(row_count), 0) from made) as rows,
      (select count(*) from seen) as seen
  )
  select exists (select from f), c.batches, c.rows, c.seen >= most,
    case when c.seen > c.rows then (
      select extract(epoch from min(recorded_at) + linger_ms * interval '1 millisecond' - clock_timestamp()) * 1000
      from seen where not exists (select from placed where placed.id = seen.id)
    ) end
  from counted c
  into looked, batches, rows, more, ripe_in_ms;
end $function$;
revoke execute on function auditbox.seal(text,integer,bigint,double precision,integer,boolean) from public;
grant execute on function auditbox.seal(text,integer,bigint,double precision,integer,boolean) to auditbox_exporter;

CREATE OR REPLACE FUNCTION auditbox.seal_in_steps(grain text, max_rows integer, max_bytes bigint, linger_ms double precision, max_batches integer, by_tenant boolean DEFAULT false, OUT looked boolean, OUT batches integer, OUT rows bigint, OUT more boolean, OUT ripe_in_ms double precision)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET row_security TO 'off'
AS $function$
#variable_conflict use_column
declare
  most integer := 2 * max_rows;
  may_note boolean;
  given int8multirange;
  -- The frontier, as it was when it was locked.
  f record;
  r record;
  made record;
  made_id bigint;
  names text[];
  next_gaps int8multirange;
  next_closing int8multirange;
  next_xid xid8;
  is_over boolean;
  is_closable boolean;
begin
  if grain not in ('hour', 'day') then
    raise exception 'the grain % is not hour or day', grain using errcode = 'invalid_parameter_value';
  end if;
  if current_setting('transaction_isolation') <> 'read committed' then
    -- Each statement needs its own snapshot: that of the lock may be older than the batches of another sealer.
    raise exception 'sealing in steps needs the isolation level read committed' using errcode = 'invalid_transaction_state';
  end if;
  select pg_current_xact_id_if_assigned() is null as is_fresh,
    int8multirange(auditbox.outbox_ids_given()) as given,
    not isempty(f.gaps * int8multirange(auditbox.outbox_ids_given()))
    or exists (select 1 from auditbox.outbox o where o.id > f.sealed_up_to) or exists (
      select 1 from unnest(f.gaps) as gap cross join lateral (
        select 1 from auditbox.outbox o where o.id >= lower(gap) and o.id < upper(gap) limit 1
      ) waiting
    ) as has_work
  into r
  from auditbox.frontier f;
  if not found then
    raise exception 'the frontier has no row'
      using errcode = 'no_data_found', schema = 'auditbox', table = 'frontier', hint = 'select auditbox.repair_frontier()';
  end if;
  if not r.has_work then
    select true, 0, 0, false, null into looked, batches, rows, more, ripe_in_ms;
    return;
  end if;
  may_note := r.is_fresh;
  given := r.given;
  -- The lock, and with it the id of this transaction. It is younger than every gap that is here now: the sealer that found
  -- them has committed.
  select sealed_up_to, gaps, closing, closing_xid into f from auditbox.frontier for update skip locked;
  if not found then
    select false, 0, 0, false, null into looked, batches, rows, more, ripe_in_ms;
    return;
  end if;
  -- What auditbox.seal reads, in one statement, so from one snapshot. Nothing is changed in between: the frontier is locked.
  with f as materialized (
    select sealed_up_to, gaps from auditbox.frontier
  ), gap_row as materialized (
    select o.id, o.audit_id, o.occurred_at, o.recorded_at, o.bytes
    from f cross join lateral unnest(f.gaps) with ordinality as gap (ids, place) cross join lateral (
      select * from auditbox.outbox o where o.id >= lower(gap.ids) and o.id < upper(gap.ids) order by o.id limit most
    ) o
    order by gap.place, o.id
    limit most
  ), new_row as materialized (
    select o.id, o.audit_id, o.occurred_at, o.recorded_at, o.bytes
    from f cross join lateral (
      select * from auditbox.outbox o
      where o.id > f.sealed_up_to
      order by o.id
      limit most - (select count(*) from gap_row)
    ) o
  ), seen as materialized (
    select id, occurred_at, recorded_at, bytes, date_trunc(grain, occurred_at at time zone 'UTC') as starts_at,
      case when by_tenant then coalesce((
        select a.tenant from auditbox.audit_log a where a.id = either.audit_id and a.occurred_at = either.occurred_at), '')
        else '' end collate "C" as tenant
    from (select * from gap_row union all select * from new_row) either
  ), weighed as materialized (
    select *, (sum(bytes) over (partition by starts_at, tenant order by id rows unbounded preceding) - bytes) / max_bytes as slice
    from seen
  ), numbered as materialized (
    select *, (row_number() over (partition by starts_at, tenant, slice order by id) - 1) / max_rows as part from weighed
  ), measured as materialized (
    select *, row_number() over so_far as rows_so_far, sum(bytes) over so_far as bytes_so_far
    from numbered
    window so_far as (partition by starts_at, tenant, slice, part order by id rows unbounded preceding)
  ), ripe as materialized (
    select starts_at, tenant, slice, part
    from measured
    group by starts_at, tenant, slice, part
    having count(*) >= max_rows or sum(bytes) >= max_bytes
      or min(recorded_at) <= clock_timestamp() - linger_ms * interval '1 millisecond'
      or max(recorded_at) > clock_timestamp() + interval '1 second'
      or (select count(*) from gap_row) > most / 2 and (select count(*) from seen) >= most
    order by min(id)
    limit max_batches
  ), placed as materialized (
    select m.id, m.occurred_at, m.recorded_at, m.starts_at, m.tenant, m.slice, m.part,
      m.id - row_number() over (partition by m.starts_at, m.tenant, m.slice, m.part order by m.id) as island
    from measured m join ripe using (starts_at, tenant, slice, part)
    where m.rows_so_far = 1 or m.bytes_so_far <= max_bytes
  ), cut as materialized (
    select to_char(starts_at, case grain when 'hour' then 'YYYY-MM-DD"T"HH24' else 'YYYY-MM-DD' end) as partition,
      range_agg(int8range(first_id, last_id, '[]')) as outbox_ids, sum(row_count) as row_count,
      min(first_occurred_at) as first_occurred_at, max(last_occurred_at) as last_occurred_at,
      min(first_recorded_at) as first_recorded_at, case when by_tenant then tenant end as tenant, min(first_id) as place
    from (
      select starts_at, tenant, slice, part, min(id) as first_id, max(id) as last_id, count(*) as row_count,
        min(occurred_at) as first_occurred_at, max(occurred_at) as last_occurred_at, min(recorded_at) as first_recorded_at
      from placed
      group by starts_at, tenant, slice, part, island
    ) islands
    group by starts_at, tenant, slice, part
  )
  select greatest(f.sealed_up_to, (select max(id) from new_row)) as sealed_up_to,
    coalesce((select json_agg(cut order by place) from cut), '[]') as batches,
    (select coalesce(range_agg(outbox_ids), '{}') from cut) as sealed_ids,
    case when (select count(*) from gap_row) >= most then int8multirange(int8range(null, (select max(id) from gap_row), '[]'))
      else int8multirange(int8range(null, null)) end as looked_up,
    (
      select coalesce(range_agg(int8range(first_id, last_id, '[]')), '{}')
      from (
        select min(id) as first_id, max(id) as last_id
        from (select id, id - row_number() over (order by id) as island from seen) s
        group by island
      ) islands
    ) as visible,
    pg_snapshot_xmin(pg_current_snapshot()) as xmin, pg_current_xact_id() as xid,
    (select count(*) from seen) >= most as more,
    (
      select extract(epoch from min(recorded_at) + linger_ms * interval '1 millisecond' - clock_timestamp()) * 1000
      from seen where not exists (select 1 from placed where placed.id = seen.id)
    ) as ripe_in_ms
  into r
  from f;

  looked := true;
  batches := 0;
  rows := 0;
  more := r.more;
  ripe_in_ms := r.ripe_in_ms;
  if json_array_length(r.batches) > 0 then
    -- Locked as in auditbox.seal.
    select array_agg(d.name) into names from (select name from auditbox.destination for key share) d;
  end if;
  for made in
    select * from json_to_recordset(r.batches) as b (partition text, outbox_ids int8multirange, row_count integer,
      first_occurred_at timestamptz, last_occurred_at timestamptz, first_recorded_at timestamptz, tenant text, place bigint)
    order by place
  loop
    insert into auditbox.batch (partition, outbox_ids, row_count, first_occurred_at, last_occurred_at, first_recorded_at, tenant)
    values (made.partition, made.outbox_ids, made.row_count, made.first_occurred_at, made.last_occurred_at,
      made.first_recorded_at, made.tenant)
    returning id into made_id;
    for i in 1 .. coalesce(cardinality(names), 0) loop
      insert into auditbox.delivery (destination, batch_id) values (names[i], made_id);
    end loop;
    batches := batches + 1;
    rows := rows + made.row_count;
  end loop;

  is_over := f.closing_xid is null or r.xmin >= f.closing_xid or f.closing_xid > r.xid;
  is_closable := f.closing_xid is not null and r.xmin >= f.closing_xid;
  next_gaps := f.gaps + case when r.sealed_up_to > f.sealed_up_to
      then int8multirange(int8range(f.sealed_up_to, r.sealed_up_to, '(]')) else '{}' end
    - r.sealed_ids - case when is_closable then f.closing * r.looked_up - r.visible else '{}' end;
  -- Only gaps that were there at the lock: one that was found after it may belong to a transaction with a higher id than ours,
  -- and is noted by the next call. And only ids that this node had given out before: another node may give out its own, also lower
  -- ones, once the schema has moved to it. So gaps between the ids of two nodes stay.
  next_closing := case when not is_over then f.closing * next_gaps - r.visible
    when may_note then f.gaps * next_gaps * given - r.visible else '{}' end;
  next_xid := case when isempty(next_closing) then null when is_over then r.xid else f.closing_xid end;
  if (r.sealed_up_to, next_gaps, next_closing) is distinct from (f.sealed_up_to, f.gaps, f.closing) then
    update auditbox.frontier set sealed_up_to = r.sealed_up_to, gaps = next_gaps, closing = next_closing, closing_xid = next_xid;
  end if;
end $function$;
revoke execute on function auditbox.seal_in_steps(text,integer,bigint,double precision,integer,boolean) from public;
grant execute on function auditbox.seal_in_steps(text,integer,bigint,double precision,integer,boolean) to auditbox_exporter;

CREATE OR REPLACE FUNCTION auditbox.to_json_text(given text, instead_of text)
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE STRICT
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET standard_conforming_strings TO 'on'
AS $function$
declare
  string text := to_json(given)::text;
  found_one text;
begin
  if not auditbox.is_unreadable(instead_of::json) then
    return string;
  end if;
  loop
    found_one := substring(string collate "C" from '[\U0010d800-\U0010e000]');
    exit when found_one is null;
    string := replace(string, found_one, '\u' || case ascii(found_one) when 1105920 then '0000' else to_hex(ascii(found_one) - 1048576) end);
  end loop;
  return string;
end $function$;
revoke execute on function auditbox.to_json_text(text,text) from public;

CREATE OR REPLACE FUNCTION auditbox.type_under(type_oid oid)
 RETURNS text
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
end $function$;
revoke execute on function auditbox.type_under(oid) from public;
grant execute on function auditbox.type_under(oid) to auditbox_exporter;
grant execute on function auditbox.type_under(oid) to auditbox_writer;

CREATE OR REPLACE FUNCTION auditbox.uncapture(target regclass)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
end $function$;
revoke execute on function auditbox.uncapture(regclass) from public;
grant execute on function auditbox.uncapture(regclass) to auditbox_writer;

CREATE OR REPLACE FUNCTION auditbox.unescape(string text)
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE STRICT
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET standard_conforming_strings TO 'on'
AS $function$
declare
  half record;
begin
  return string::json #>> '{}';
exception when others then
  string := replace(replace(string, '\\', '\u005c'), '\u0000', '\udbf8\udc00');
  string := regexp_replace(string, '(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F])', '\\udbf7\\u\1', 'g');
  for half in
    select * from (values ('8', 'c'), ('9', 'd'), ('[aA]', 'e'), ('[bB]', 'f')) as halves (given, low)
  loop
    string := regexp_replace(string, '\\u[dD]' || half.given || '([0-9a-fA-F]{2})(?!\\u[dD][c-fC-F])', '\\udbf6\\ud' || half.low || '\1', 'g');
  end loop;
  return string::json #>> '{}';
end $function$;
revoke execute on function auditbox.unescape(text) from public;

CREATE OR REPLACE FUNCTION auditbox.value_in_text(value json, path text[])
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE STRICT
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET standard_conforming_strings TO 'on'
AS $function$
declare
  inner_value json := value;
  is_json boolean := false;
  plain json;
begin
  for level in 1..3 loop
    exit when json_typeof(inner_value) <> 'string';
    inner_value := (inner_value #>> '{}')::json;
  end loop;
  is_json := true;
  return coalesce(inner_value #>> path, (inner_value #> path)::text);
exception when others then
  if not is_json then
    return null;
  end if;
  begin
    -- As member_in_text does: Postgres reads nothing of a value that has \u0000 or half of a surrogate pair anywhere.
    plain := replace(replace(replace(replace(inner_value::text, '\\', '\u005c'), '\u0000', '\ufffd'), '\ud', '\u1'), '\uD', '\u1');
    return coalesce(plain #>> path, (plain #> path)::text);
  exception when others then
    return null;
  end;
end $function$;
revoke execute on function auditbox.value_in_text(json,text[]) from public;
grant execute on function auditbox.value_in_text(json,text[]) to auditbox_api;
