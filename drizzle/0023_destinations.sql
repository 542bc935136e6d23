-- Destinations that take requests instead of objects. A delivery counts the rows that were taken, so that a crash costs one
-- request, and keeps how its batch was cut and formatted, so that a request is the same for ever. A destination keeps how far
-- its history was added.
-- Locks: auditbox.destination and auditbox.delivery, while the rows of auditbox.delivery, one for each batch and
-- destination, are checked once.
--
alter table auditbox.destination
  add column created_at timestamp(6) with time zone default clock_timestamp() not null,
  add column history_since timestamp(6) with time zone,
  add column history_behind bigint;
--> statement-breakpoint
alter table auditbox.delivery
  add column next_row integer default 0 not null,
  add column sent_as text,
  drop constraint delivery_done_is_proven,
  add constraint delivery_done_is_proven check (
    (state = 'done') = (done_at is not null) and (state <> 'done' or sha256 is not null or sent_as is not null)),
  -- Nobody can say that a batch is archived without its object.
  add constraint delivery_archive_is_objects check (destination <> 's3' or sent_as is null);
--> statement-breakpoint
-- As before, but a delivery by requests keeps how it is sent, moves forward while it is sent, and may be sent again from its
-- first row after it is done.
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
end $$;
--> statement-breakpoint
-- As before, but a delivery that is sent again from its first row gets its rejected rows back.
create or replace function auditbox.keep_rejection() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set row_security = off as $$
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
end $$;
