-- The months of audit_log: tables audit_log_2026_07, known by their bounds and not by their names.
--
-- TimeZone and DateStyle are set where a bound's text is read or written: pg_get_expr prints times in the session's form.
create function auditbox.list_months()
returns table (name text, starts_at timestamptz, ends_at timestamptz, is_closed boolean)
language sql stable set search_path = pg_catalog, pg_temp set TimeZone = 'UTC' set DateStyle = 'ISO, YMD' as $$
  select c.relname, bounds[1]::timestamptz, bounds[2]::timestamptz,
    exists (select from pg_constraint k where k.conrelid = c.oid and k.conname = 'audit_log_month_closed')
  from pg_inherits i
  join pg_class c on c.oid = i.inhrelid
  cross join lateral (
    select regexp_match(pg_get_expr(c.relpartbound, c.oid), $re$^FOR VALUES FROM \('(.+)'\) TO \('(.+)'\)\Z$re$) as bounds
  ) bound
  where i.inhparent = 'auditbox.audit_log'::regclass and bounds is not null
$$;
--> statement-breakpoint
-- Makes the month that an event time belongs to; false if it was there, null for a time that no event may have. The table
-- is made by itself and then attached, so readers and writers of audit_log do not wait.
--
-- Statement triggers belong to the table that a statement names: each month has its own, so that an INSERT that names a
-- month gets around nothing.
create function auditbox.make_month(at timestamptz) returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp set row_security = off set lock_timeout = '5s'
set TimeZone = 'UTC' set DateStyle = 'ISO, YMD' as $$
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
  perform pg_advisory_xact_lock(7283104913);
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
  execute format(
    'create table auditbox.%I (like auditbox.audit_log including defaults including constraints including generated) with (
      autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05)', month_name);
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
end $$;
--> statement-breakpoint
-- Lets nothing more into a month that is over. A month that is closed already stays as it is.
create function auditbox.close_month(month_name text) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp set row_security = off set lock_timeout = '500ms' as $$
declare
  month record;
begin
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
end $$;
--> statement-breakpoint
-- How many events of a closed month are not in the archive of every destination: without an outbox row, in no batch, in a
-- delivery that is not done, or rejected. Reads the month once.
create function auditbox.count_unarchived(month_name text) returns bigint
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp set row_security = off as $$
declare
  archived int8multirange;
  unarchived bigint;
begin
  select range_agg(b.outbox_ids) into archived
  from auditbox.batch b join auditbox.list_months() m on b.first_occurred_at < m.ends_at and b.last_occurred_at >= m.starts_at
  where m.name = month_name
    and exists (select from auditbox.delivery d where d.batch_id = b.id and d.state = 'done')
    and not exists (select from auditbox.delivery d where d.batch_id = b.id and d.state <> 'done');
  execute format('
    select count(*)
    from auditbox.%I a
    left join auditbox.outbox o on o.audit_id = a.id and o.occurred_at = a.occurred_at
    where o.id is null or not $1 @> o.id
      or exists (select from auditbox.rejection r where r.outbox_id = o.id and r.replayed_in is null)', month_name)
  into unarchived using coalesce(archived, '{}');
  return unarchived;
end $$;
--> statement-breakpoint
-- Drops a closed month; false, and nothing is done, while any of its events is not archived everywhere.
create function auditbox.drop_month(month_name text) returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp set row_security = off set lock_timeout = '500ms' as $$
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
  if auditbox.count_unarchived(month_name) > 0 then
    return false;
  end if;
  execute format('drop table auditbox.%I', month_name);
  return true;
end $$;
--> statement-breakpoint
-- Deletes the outbox rows of batches whose month was dropped, some batches at a time; how many batches. The ids of their
-- events are free then.
create function auditbox.forget_dropped(max_batches integer) returns integer
language plpgsql security definer
set search_path = pg_catalog, pg_temp set row_security = off as $$
declare
  forgotten integer;
begin
  with gone as materialized (
    select b.outbox_ids
    from auditbox.batch b
    where not exists (
        select from auditbox.list_months() m where b.first_occurred_at < m.ends_at and b.last_occurred_at >= m.starts_at)
      -- The rows of a batch go together, so its first row stands for all.
      and exists (select from auditbox.outbox o where o.id = lower(b.outbox_ids))
    order by b.id
    limit max_batches
  ), deleted as (
    delete from auditbox.outbox o
    using (select unnest(outbox_ids) as ids from gone) r
    where o.id >= lower(r.ids) and o.id < upper(r.ids)
  )
  select count(*) into forgotten from gone;
  return forgotten;
end $$;
