-- A wait or a lease that began before the clock of the database went back is over. Its end alone does not say that: a jump of
-- an hour looks like a wait of an hour.
-- Locks: delivery, for an instant; senders wait that long.
--
alter table auditbox.delivery add column waits_since timestamptz(6);
--> statement-breakpoint
alter table auditbox.delivery alter column waits_since set default clock_timestamp();
--> statement-breakpoint
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
  if (new.next_attempt_at, new.leased_until) is distinct from (old.next_attempt_at, old.leased_until) then
    new.waits_since := clock_timestamp();
  end if;
  return new;
end $$;
