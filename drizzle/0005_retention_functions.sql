-- What retention removes goes by functions that look for themselves whether it may go, so that a process may be allowed
-- to keep the retention without being allowed to delete: nothing is lost, whatever it asks for. Only the owner may call
-- them, and who is let in (`npm run migrate -- --roles`).

-- Lets nothing more into a month of audit_log that is over. A month that is not there, or closed, stays as it is.
create function audit_log_close_month(month text) returns void
language plpgsql security definer set search_path = pg_catalog, public, pg_temp set lock_timeout = '500ms' as $$
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
end $$;
--> statement-breakpoint
-- Drops a closed month and forgets its pruned ids; false if anything in it is not exported, which keeps it.
create function audit_log_drop_month(month text) returns boolean
language plpgsql security definer set search_path = pg_catalog, public, pg_temp set lock_timeout = '500ms' as $$
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
end $$;
--> statement-breakpoint
-- Deletes outbox rows of batches that were exported so many days ago, and remembers their ids; how many.
create function outbox_prune(retention_days integer, max_rows integer) returns integer
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
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
$$;
--> statement-breakpoint
-- Functions are everybody's unless it is said.
revoke execute on function audit_log_close_month(text), audit_log_drop_month(text), outbox_prune(integer, integer)
from public;
--> statement-breakpoint
-- Whoever may call it may put it on a table of his own, and it writes with its owner's rights: outbox rows of no event.
revoke execute on function audit_log_to_outbox(), audit_log_keep_unexported() from public;
