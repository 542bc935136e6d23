-- A month is not dropped while a destination that was promised its history has not got the deliveries of it. Retention asked for that
-- before it dropped a month, and a history that was asked for in between lost its events without a word. Now the drop itself asks,
-- while nobody can add a destination or ask for a history.
-- Locks: none.
--
-- The first destination, by name, that still waits for deliveries of a month; null if there is no such destination.
create function auditbox.find_awaiting_history(month_name text) returns text language plpgsql
stable security definer set search_path = pg_catalog, pg_temp set row_security = off set TimeZone = 'UTC'
set plan_cache_mode = force_custom_plan as $$
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
end $$;
--> statement-breakpoint
revoke execute on function auditbox.find_awaiting_history(text) from public;
--> statement-breakpoint
create or replace function auditbox.drop_month(month_name text, destination_name text) returns boolean language plpgsql
security definer set search_path = pg_catalog, pg_temp set row_security = off set lock_timeout = '500ms' as $$
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
end $$;
