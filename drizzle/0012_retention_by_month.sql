-- Retention reads the batches of its months and no others.
-- Locks: nothing that a reader or writer waits for.
--
-- How many events of a closed month are not in the archive of every destination: without an outbox row, in no batch, in a
-- delivery that is not done, or rejected. Reads the month and its batches once.
create or replace function auditbox.count_unarchived(month_name text) returns bigint
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp set row_security = off set plan_cache_mode = force_custom_plan as $$
declare
  month record;
  archived int8multirange;
  unarchived bigint;
begin
  select * into month from auditbox.list_months() m where m.name = month_name;
  select range_agg(b.outbox_ids) into archived
  from auditbox.batch b
  -- By the index. A month whose bounds somebody made differently has batches of two.
  where date_trunc('month', b.first_occurred_at at time zone 'UTC') >= date_trunc('month', month.starts_at at time zone 'UTC')
    and date_trunc('month', b.first_occurred_at at time zone 'UTC') < month.ends_at at time zone 'UTC'
    and b.first_occurred_at < month.ends_at and b.last_occurred_at >= month.starts_at
    -- By way of the destinations, because the key of a delivery begins with one.
    and exists (
      select from auditbox.destination n join auditbox.delivery d on d.destination = n.name and d.batch_id = b.id
      where d.state = 'done')
    and not exists (
      select from auditbox.destination n join auditbox.delivery d on d.destination = n.name and d.batch_id = b.id
      where d.state <> 'done');
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
-- Deletes the outbox rows of batches whose month was dropped, some batches at a time; how many batches. The ids of their
-- events are free then. For a month that is done it reads two rows: the batches of a month are forgotten in the order of
-- their ids, so the last one has outbox rows while any has. Without sorts the planner must use the index of months, whatever
-- the statistics say.
create or replace function auditbox.forget_dropped(max_batches integer) returns integer
language plpgsql security definer
set search_path = pg_catalog, pg_temp set row_security = off set plan_cache_mode = force_custom_plan
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off as $$
declare
  existing tstzmultirange;
  month timestamp := '-infinity';
  last_ids int8multirange;
  forgotten integer := 0;
  latest integer;
begin
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
end $$;
