-- A record that can be edited proves nothing. Nobody updates or deletes events; retention drops whole months. A superuser
-- can still drop these triggers, which the doctor reports.
create function auditbox.refuse_change() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception '%.% is append-only: % refused', tg_table_schema, tg_table_name, tg_op
    using errcode = 'insufficient_privilege', schema = tg_table_schema, table = tg_table_name,
          hint = 'Retention removes whole months: npm run retention.';
end $$;
--> statement-breakpoint
-- Two triggers: a distributed engine makes none that names truncate on its shards.
create trigger audit_log_append_only before update or delete on auditbox.audit_log
for each statement execute function auditbox.refuse_change();
--> statement-breakpoint
create trigger audit_log_no_truncate before truncate on auditbox.audit_log
for each statement execute function auditbox.refuse_change();
--> statement-breakpoint
create trigger outbox_no_update before update on auditbox.outbox
for each statement execute function auditbox.refuse_change();
--> statement-breakpoint
create trigger outbox_no_truncate before truncate on auditbox.outbox
for each statement execute function auditbox.refuse_change();
--> statement-breakpoint
create trigger batch_never_changes before update or delete or truncate on auditbox.batch
for each statement execute function auditbox.refuse_change();
--> statement-breakpoint
-- No id is in two batches, whatever the frontier says. The new batches of a statement are looked up together, so that the
-- time is linear in the batches around them. The lock comes first: what another session has inserted is visible then.
create function auditbox.check_new_batches() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp set row_security = off set enable_seqscan = off
set plan_cache_mode = force_custom_plan as $$
declare
  new_ids bigint[];
  all_ids int8multirange;
  total bigint;
begin
  -- A sealer that found the lock taken inserts nothing, and must not wait for it here.
  if not exists (select from inserted n where n.replay_for is null) then
    return null;
  end if;
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
end $$;
--> statement-breakpoint
create trigger batch_ids_are_in_one_batch after insert on auditbox.batch
referencing new table as inserted
for each statement execute function auditbox.check_new_batches();
--> statement-breakpoint
create trigger delivery_no_truncate before truncate on auditbox.delivery
for each statement execute function auditbox.refuse_change();
--> statement-breakpoint
-- An outbox row goes only after its event: it keeps the id taken, and a row that came back would be exported twice.
create function auditbox.keep_outbox_row() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set row_security = off as $$
begin
  if exists (select from auditbox.audit_log a where a.id = old.audit_id and a.occurred_at = old.occurred_at) then
    raise exception 'the outbox row % belongs to an event that is still recorded', old.id
      using errcode = 'insufficient_privilege', schema = tg_table_schema, table = tg_table_name;
  end if;
  return old;
end $$;
--> statement-breakpoint
create trigger outbox_keep_row before delete on auditbox.outbox
for each row execute function auditbox.keep_outbox_row();
--> statement-breakpoint
-- A delivery's state moves along the arrows of STATES.md and no other. Done is the end.
create function auditbox.check_delivery_change() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if new.destination <> old.destination or new.batch_id <> old.batch_id then
    raise exception 'a delivery keeps its destination and its batch' using errcode = 'insufficient_privilege';
  elsif (old.state || '>' || new.state) not in (
      'sealed>sealed', 'sealed>sending', 'sending>sending', 'sending>sealed', 'sending>done', 'sending>failed',
      'failed>sealed') then
    raise exception 'a delivery does not go from % to %', old.state, new.state
      using errcode = 'insufficient_privilege', schema = tg_table_schema, table = tg_table_name;
  elsif new.state = 'done' and (new.sha256, new.object_key, new.ndjson_bytes, new.object_bytes)
      is distinct from (old.sha256, old.object_key, old.ndjson_bytes, old.object_bytes) then
    raise exception 'what a delivery was rendered to is recorded before it is sent'
      using errcode = 'insufficient_privilege', schema = tg_table_schema, table = tg_table_name;
  end if;
  return new;
end $$;
--> statement-breakpoint
create trigger delivery_changes before update on auditbox.delivery
for each row execute function auditbox.check_delivery_change();
--> statement-breakpoint
create function auditbox.check_new_delivery() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if new.state <> 'sealed' then
    raise exception 'a delivery begins sealed'
      using errcode = 'insufficient_privilege', schema = tg_table_schema, table = tg_table_name;
  end if;
  return new;
end $$;
--> statement-breakpoint
create trigger delivery_begins before insert on auditbox.delivery
for each row execute function auditbox.check_new_delivery();
--> statement-breakpoint
-- A row that was stored must not be rejected afterwards: a replay would send it again. So a row is rejected only while a
-- delivery of its batch is being sent.
create function auditbox.check_new_rejection() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set row_security = off as $$
begin
  if not exists (
    select from auditbox.delivery d join auditbox.batch b on b.id = d.batch_id
    where d.destination = new.destination and d.batch_id = new.batch_id and d.state = 'sending'
      and b.outbox_ids @> new.outbox_id
  ) then
    raise exception 'no delivery to % with the row % is being sent', new.destination, new.outbox_id
      using errcode = 'insufficient_privilege', schema = tg_table_schema, table = tg_table_name;
  end if;
  return new;
end $$;
--> statement-breakpoint
create trigger rejection_begins before insert on auditbox.rejection
for each row execute function auditbox.check_new_rejection();
--> statement-breakpoint
do $$
declare
  found record;
begin
  for found in
    select c.relname as table_name, t.tgname as trigger_name
    from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'auditbox' and not t.tgisinternal
  loop
    execute format('alter table auditbox.%I enable always trigger %I', found.table_name, found.trigger_name);
  end loop;
end $$;
