-- The tables of Auditbox. `auditbox` stands for the schema that DATABASE_SCHEMA names: `migrate` replaces it.

-- The record, append-only, in months of event time (UTC): a month can be dropped at once, and a query with a time reads
-- its months alone. There is no default partition: with one, each new month would wait for a check of all its rows.
create table auditbox.audit_log (
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
  traceparent varchar(55) collate "C",
  -- LiteLLM's team and key, cut to 512 characters because an index entry is bounded. strpos comes first: it costs a tenth
  -- of reading the JSON, and most values have neither.
  team_id text collate "C" generated always as (
    case when strpos(updated_values::text, '"team_id"') > 0
      then left(updated_values ->> 'team_id', 512) end) stored,
  former_team_id text collate "C" generated always as (
    case when strpos(before_value::text, '"team_id"') > 0
      then nullif(left(before_value ->> 'team_id', 512),
        left(updated_values ->> 'team_id', 512)) end) stored,
  key_hash text collate "C" generated always as (
    case when strpos(updated_values::text, '"token"') > 0
      then left(updated_values ->> 'token', 512) end) stored,
  former_key_hash text collate "C" generated always as (
    case when strpos(before_value::text, '"token"') > 0
      then nullif(left(before_value ->> 'token', 512),
        left(updated_values ->> 'token', 512)) end) stored,
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
create index audit_log_occurred_at_id on auditbox.audit_log (occurred_at, id);
--> statement-breakpoint
create index audit_log_recorded_at_id on auditbox.audit_log (recorded_at, id);
--> statement-breakpoint
create index audit_log_changed_by on auditbox.audit_log (changed_by, occurred_at, id);
--> statement-breakpoint
create index audit_log_changed_by_api_key on auditbox.audit_log (changed_by_api_key, occurred_at, id);
--> statement-breakpoint
create index audit_log_action on auditbox.audit_log (action, occurred_at, id);
--> statement-breakpoint
create index audit_log_table_name on auditbox.audit_log (table_name, occurred_at, id);
--> statement-breakpoint
create index audit_log_object_id on auditbox.audit_log (object_id, occurred_at, id);
--> statement-breakpoint
create index audit_log_team_id on auditbox.audit_log (team_id, occurred_at, id) where team_id is not null;
--> statement-breakpoint
create index audit_log_former_team_id on auditbox.audit_log (former_team_id, occurred_at, id)
where former_team_id is not null;
--> statement-breakpoint
create index audit_log_key_hash on auditbox.audit_log (key_hash, occurred_at, id) where key_hash is not null;
--> statement-breakpoint
create index audit_log_former_key_hash on auditbox.audit_log (former_key_hash, occurred_at, id)
where former_key_hash is not null;
--> statement-breakpoint
-- One row for each audit event, inserted by a trigger in the event's transaction and never updated. It is also the
-- register of taken ids: the primary key of audit_log holds an id only together with its event time.
create table auditbox.outbox (
  id bigint generated always as identity (sequence name auditbox.outbox_id_seq),
  audit_id uuid not null,
  occurred_at timestamp(6) with time zone not null,
  recorded_at timestamp(6) with time zone not null,
  -- Upper bound of the line's bytes, newline included.
  bytes integer not null,
  constraint outbox_pkey primary key (id),
  constraint outbox_audit_id unique (audit_id)
) with (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
--> statement-breakpoint
-- Up to which outbox id all rows are in a batch, except the gaps. One row; who locks it seals.
create table auditbox.frontier (
  is_the_only_row boolean default true not null,
  sealed_up_to bigint default 0 not null,
  -- Ids up to sealed_up_to in no batch: not visible yet, aborted, or waiting for company.
  gaps int8multirange default '{}' not null,
  -- The gaps that were not visible when the transaction closing_xid noted them. None can appear any more in a snapshot
  -- whose xmin is at or past closing_xid.
  closing int8multirange default '{}' not null,
  closing_xid xid8,
  constraint frontier_pkey primary key (is_the_only_row),
  constraint frontier_has_one_row check (is_the_only_row),
  constraint frontier_gaps_are_behind check (sealed_up_to >= 0 and upper(gaps) <= sealed_up_to + 1),
  constraint frontier_closing_are_gaps check (closing <@ gaps),
  constraint frontier_closing_has_xid check (isempty(closing) or closing_xid is not null)
) with (fillfactor = 50);
--> statement-breakpoint
insert into auditbox.frontier default values;
--> statement-breakpoint
-- The rows of one object. A batch never changes.
create table auditbox.batch (
  id bigint generated always as identity (sequence name auditbox.batch_id_seq),
  partition text not null,
  outbox_ids int8multirange not null,
  row_count integer not null,
  first_occurred_at timestamp(6) with time zone not null,
  last_occurred_at timestamp(6) with time zone not null,
  first_recorded_at timestamp(6) with time zone not null,
  sealed_at timestamp(6) with time zone default clock_timestamp() not null,
  -- Set where a replay sends rejected rows again, to this destination alone: their ids are then in two batches.
  replay_for text,
  constraint batch_pkey primary key (id),
  constraint batch_partition_form check (partition ~ '^\d{4}-\d{2}-\d{2}(T\d{2})?$'),
  constraint batch_has_rows check (row_count > 0 and not isempty(outbox_ids))
);
--> statement-breakpoint
-- Finds the batch of an id. A trigger keeps each id in one batch: an exclusion constraint would compare each new batch with
-- each one around it, and rows of a thousand hours mixed make a thousand of these.
create index batch_outbox_ids on auditbox.batch using gist (outbox_ids) where replay_for is null;
--> statement-breakpoint
-- Where batches go. The seal makes a delivery for each.
create table auditbox.destination (
  name text not null,
  -- Its deliveries wait: nobody leases them.
  is_paused boolean default false not null,
  constraint destination_pkey primary key (name),
  constraint destination_name_form check (name ~ '^[a-z][a-z0-9-]{0,62}$')
);
--> statement-breakpoint
insert into auditbox.destination (name) values ('s3');
--> statement-breakpoint
-- One batch for one destination. packages/db/src/export/STATES.md has the transitions.
create table auditbox.delivery (
  destination text not null,
  batch_id bigint not null,
  state text default 'sealed' not null,
  attempts integer default 0 not null,
  next_attempt_at timestamp(6) with time zone default clock_timestamp() not null,
  lease_token uuid,
  leased_until timestamp(6) with time zone,
  -- Of the uncompressed NDJSON.
  sha256 text,
  object_key text,
  ndjson_bytes bigint,
  object_bytes bigint,
  done_at timestamp(6) with time zone,
  last_error text,
  constraint delivery_pkey primary key (destination, batch_id),
  constraint delivery_state check (state in ('sealed', 'sending', 'done', 'failed')),
  constraint delivery_sha256_form check (sha256 ~ '^[0-9a-f]{64}$'),
  constraint delivery_rendered_whole check (num_nulls(sha256, object_key, ndjson_bytes, object_bytes) in (0, 4)),
  constraint delivery_lease_while_sending check (
    num_nonnulls(lease_token, leased_until) = case state when 'sending' then 2 else 0 end),
  constraint delivery_done_is_proven check (
    (state = 'done') = (done_at is not null) and (state <> 'done' or sha256 is not null)),
  constraint delivery_failed_says_why check (state <> 'failed' or last_error is not null)
) with (fillfactor = 70);
--> statement-breakpoint
create index delivery_claimable on auditbox.delivery (destination, next_attempt_at, batch_id)
where state in ('sealed', 'sending');
--> statement-breakpoint
create index delivery_failed on auditbox.delivery (destination, batch_id) where state = 'failed';
--> statement-breakpoint
-- A row that a destination can never take, left out of its delivery.
create table auditbox.rejection (
  destination text not null,
  outbox_id bigint not null,
  batch_id bigint not null,
  audit_id uuid not null,
  occurred_at timestamp(6) with time zone not null,
  reason text not null,
  rejected_at timestamp(6) with time zone default clock_timestamp() not null,
  -- The batch in which a replay sends the row again; null while it waits for a person.
  replayed_in bigint,
  constraint rejection_pkey primary key (destination, batch_id, outbox_id)
);
--> statement-breakpoint
create index rejection_open on auditbox.rejection (destination, outbox_id) where replayed_in is null;
--> statement-breakpoint
create index rejection_outbox_id on auditbox.rejection (destination, outbox_id, batch_id);
--> statement-breakpoint
-- Who may call the api. The key itself is never stored.
create table auditbox.api_key (
  id uuid default gen_random_uuid() not null,
  name text not null,
  key_hash text not null,
  scopes text[] not null,
  created_at timestamp(6) with time zone default now() not null,
  revoked_at timestamp(6) with time zone,
  constraint api_key_pkey primary key (id),
  constraint api_key_name unique (name),
  constraint api_key_hash unique (key_hash),
  constraint api_key_scopes check (scopes <@ array['read', 'write'] and cardinality(scopes) > 0)
);
