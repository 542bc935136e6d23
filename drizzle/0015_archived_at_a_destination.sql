-- An event is archived when a done delivery to one named destination holds it. Any done delivery counted before: a login
-- that may add destinations could make one, mark its deliveries done, and have a month removed that is in no bucket. And
-- while a rejected row was on its way again, its first batch counted for it.
-- Locks: deliveries and rejections, for some milliseconds, exclusively.
--
create function auditbox.count_unarchived(month_name text, destination_name text) returns bigint
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp set row_security = off set plan_cache_mode = force_custom_plan as $$
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
end $$;
--> statement-breakpoint
create function auditbox.drop_month(month_name text, destination_name text) returns boolean language plpgsql
security definer set search_path = pg_catalog, pg_temp set row_security = off set lock_timeout = '500ms' as $$
declare
  month record;
begin
  select * into month from auditbox.list_months() m where m.name = month_name;
  if not found then
    return true; -- Another process dropped it.
  elsif not month.is_closed then
    raise exception 'the month % is not closed', month_name using errcode = 'insufficient_privilege', table = 'audit_log';
  end if;
  -- A destination that is added now would get deliveries whose events are dropped here.
  lock table auditbox.destination in share mode;
  if auditbox.count_unarchived(month_name, destination_name) > 0 then
    return false;
  end if;
  execute format('drop table auditbox.%I', month_name);
  return true;
end $$;
--> statement-breakpoint
drop function auditbox.drop_month(text);
--> statement-breakpoint
drop function auditbox.count_unarchived(text);
--> statement-breakpoint
-- Deliveries and rejections say what a destination has. They go with their destination, or a rejection with the failed
-- delivery that gets all of its rows back; else a row that was never sent would look delivered, or be in no delivery.
create function auditbox.keep_delivery() returns trigger language plpgsql
security definer set search_path = pg_catalog, pg_temp set row_security = off as $$
begin
  if exists (select from auditbox.destination d where d.name = old.destination) then
    raise exception 'the destination % is in use; its deliveries stay', old.destination
      using errcode = 'insufficient_privilege', schema = tg_table_schema, table = tg_table_name;
  end if;
  return old;
end $$;
--> statement-breakpoint
create trigger delivery_stays before delete on auditbox.delivery for each row execute function auditbox.keep_delivery();
--> statement-breakpoint
alter table auditbox.delivery enable always trigger delivery_stays;
--> statement-breakpoint
create function auditbox.keep_rejection() returns trigger language plpgsql
security definer set search_path = pg_catalog, pg_temp set row_security = off as $$
begin
  if exists (select from auditbox.destination d where d.name = old.destination)
    and not exists (
      select from auditbox.delivery d
      where d.destination = old.destination and d.batch_id = old.batch_id and d.state = 'failed'
    ) then
    raise exception 'the row % stays rejected by %', old.outbox_id, old.destination
      using errcode = 'insufficient_privilege', schema = tg_table_schema, table = tg_table_name;
  end if;
  return old;
end $$;
--> statement-breakpoint
create trigger rejection_stays before delete on auditbox.rejection for each row execute function auditbox.keep_rejection();
--> statement-breakpoint
alter table auditbox.rejection enable always trigger rejection_stays;
