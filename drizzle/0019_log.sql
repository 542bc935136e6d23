-- The log of batches: done deliveries are numbered without gaps, and the numbers are hashed into a tree.
-- Locks: auditbox.delivery, while an index over its done rows is made.
create table "auditbox"."log_checkpoint" (
	"destination" text not null,
	"size" bigint not null,
	"root" text not null,
	"note" text,
	"created_at" timestamp(6) with time zone default clock_timestamp() not null,
	constraint "log_checkpoint_pkey" primary key("destination","size"),
	constraint "log_checkpoint_root_form" check (root ~ '^[0-9a-f]{64}$')
);
--> statement-breakpoint
create table "auditbox"."log_entry" (
	"destination" text not null,
	"index" bigint not null,
	"batch_id" bigint,
	"entry" text not null,
	"hashes" text not null,
	constraint "log_entry_pkey" primary key("destination","index"),
	constraint "log_entry_batch" unique("destination","batch_id"),
	constraint "log_entry_hashes_form" check (hashes ~ '^([0-9a-f]{64})+$')
);
--> statement-breakpoint
create table "auditbox"."log_head" (
	"destination" text not null,
	"origin" text not null,
	"size" bigint default 0 not null,
	"published_size" bigint default 0 not null,
	constraint "log_head_pkey" primary key("destination"),
	constraint "log_head_sizes" check (published_size between 0 and size)
);
--> statement-breakpoint
create table "auditbox"."last_verify" (
	"destination" text not null,
	"finished_at" timestamp(6) with time zone default clock_timestamp() not null,
	"objects" bigint not null,
	"differences" bigint not null,
	constraint "last_verify_pkey" primary key("destination")
);
--> statement-breakpoint
alter table "auditbox"."delivery" add column "lines_root" text;--> statement-breakpoint
alter table "auditbox"."delivery" add column "object_sha256" text;--> statement-breakpoint
alter table "auditbox"."delivery" add column "log_index" bigint;--> statement-breakpoint
create index "delivery_unlogged" on "auditbox"."delivery" using btree ("destination","done_at","batch_id") where state = 'done' and log_index is null;--> statement-breakpoint
alter table "auditbox"."delivery" add constraint "delivery_log_index_when_done" check (log_index is null or state = 'done');--> statement-breakpoint
alter table "auditbox"."delivery" add constraint "delivery_lines_root_form" check (lines_root ~ '^[0-9a-f]{64}$');--> statement-breakpoint
alter table "auditbox"."delivery" add constraint "delivery_object_sha256_form" check (object_sha256 ~ '^[0-9a-f]{64}$');--> statement-breakpoint
-- As before, but a done delivery may be numbered, once.
create or replace function auditbox.check_delivery_change() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
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
      'failed>sealed') then
    raise exception 'a delivery does not go from % to %', old.state, new.state
      using errcode = 'insufficient_privilege', schema = tg_table_schema, table = tg_table_name;
  elsif new.state = 'done' and (new.sha256, new.object_key, new.ndjson_bytes, new.object_bytes, new.lines_root, new.object_sha256)
      is distinct from (old.sha256, old.object_key, old.ndjson_bytes, old.object_bytes, old.lines_root, old.object_sha256) then
    raise exception 'what a delivery was rendered to is recorded before it is sent'
      using errcode = 'insufficient_privilege', schema = tg_table_schema, table = tg_table_name;
  elsif new.log_index is not null then
    raise exception 'a delivery is numbered after it is done'
      using errcode = 'insufficient_privilege', schema = tg_table_schema, table = tg_table_name;
  end if;
  return new;
end $$;
--> statement-breakpoint
-- A log keeps its name and only grows. A superuser can drop these triggers; the copies of a checkpoint that others keep show it.
create function auditbox.check_log_head() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if new.destination <> old.destination or new.origin <> old.origin
    or new.size < old.size or new.published_size < old.published_size then
    raise exception 'a log keeps its name and only grows'
      using errcode = 'insufficient_privilege', schema = tg_table_schema, table = tg_table_name;
  end if;
  return new;
end $$;
--> statement-breakpoint
create trigger log_head_only_grows before update on auditbox.log_head
for each row execute function auditbox.check_log_head();
--> statement-breakpoint
create trigger log_head_stays before delete or truncate on auditbox.log_head
for each statement execute function auditbox.refuse_change();
--> statement-breakpoint
create trigger log_entry_never_changes before update or delete or truncate on auditbox.log_entry
for each statement execute function auditbox.refuse_change();
--> statement-breakpoint
-- One root for each size, and one note for each root.
create function auditbox.check_log_checkpoint() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if old.note is not null or (new.destination, new.size, new.root, new.created_at)
      is distinct from (old.destination, old.size, old.root, old.created_at) then
    raise exception 'a checkpoint never changes'
      using errcode = 'insufficient_privilege', schema = tg_table_schema, table = tg_table_name;
  end if;
  return new;
end $$;
--> statement-breakpoint
create trigger log_checkpoint_never_changes before update on auditbox.log_checkpoint
for each row execute function auditbox.check_log_checkpoint();
--> statement-breakpoint
create trigger log_checkpoint_stays before delete or truncate on auditbox.log_checkpoint
for each statement execute function auditbox.refuse_change();
--> statement-breakpoint
alter table auditbox.log_head enable always trigger log_head_only_grows, enable always trigger log_head_stays;
--> statement-breakpoint
alter table auditbox.log_entry enable always trigger log_entry_never_changes;
--> statement-breakpoint
alter table auditbox.log_checkpoint enable always trigger log_checkpoint_never_changes,
  enable always trigger log_checkpoint_stays;
--> statement-breakpoint
-- Makes the batch of an object that the bucket has and this database does not know, because it was restored from a backup.
-- Its rows are then never sealed again. `unknown`: this database has none of its events; `conflict`: they are in another batch.
-- This database may have lost some events of the object. Then the log reads the object for what it says about it.
create function auditbox.adopt_batch(
  to_destination text, adopted_id bigint, adopted_partition text, audit_ids uuid[], key text, content_sha256 text,
  content_bytes bigint, stored_bytes bigint, root_of_lines text, stored_sha256 text)
returns text
language plpgsql security definer
set search_path = pg_catalog, pg_temp set row_security = off as $$
declare
  ids int8multirange;
  found_rows integer;
  existing auditbox.batch;
  sent auditbox.delivery;
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
    insert into auditbox.delivery (destination, batch_id)
    select d.name, adopted_id from auditbox.destination d where d.name <> to_destination;
  end if;
  insert into auditbox.delivery (destination, batch_id) values (to_destination, adopted_id) on conflict do nothing;
  select * into sent from auditbox.delivery d where d.destination = to_destination and d.batch_id = adopted_id for update;
  if sent.state = 'done' then
    return case when sent.object_key = key then 'adopted' else 'conflict' end;
  end if;
  update auditbox.delivery d set state = 'sealed' where d.destination = to_destination and d.batch_id = adopted_id
    and d.state = 'failed';
  update auditbox.delivery d
  set state = 'sending', lease_token = gen_random_uuid(), leased_until = statement_timestamp(), object_key = key,
    sha256 = content_sha256, ndjson_bytes = content_bytes, object_bytes = stored_bytes,
    lines_root = case when found_rows = cardinality(audit_ids) then root_of_lines end,
    object_sha256 = stored_sha256
  where d.destination = to_destination and d.batch_id = adopted_id;
  update auditbox.delivery d
  set state = 'done', done_at = statement_timestamp(), lease_token = null, leased_until = null, last_error = null
  where d.destination = to_destination and d.batch_id = adopted_id;
  return 'adopted';
end $$;
--> statement-breakpoint
revoke execute on function auditbox.adopt_batch(text, bigint, text, uuid[], text, text, bigint, bigint, text, text) from public;
