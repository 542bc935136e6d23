-- What heals a wrong frontier and events without an outbox row. Each call reads a block, so its cost is bounded.

-- Looks behind an outbox id, up to the frontier, for rows that are in no batch and no gap: the frontier was wrong. They
-- become gaps, which the next seal takes. next_behind is where the next block begins, null at the end; the same as before
-- while another session seals. A frontier that is ahead of every id given out is brought back in the first block: rows that
-- are written later would be behind it.
create function auditbox.reconcile_outbox(behind bigint, max_rows integer, out next_behind bigint, out lost_rows bigint)
language plpgsql security definer
set search_path = pg_catalog, pg_temp set row_security = off set plan_cache_mode = force_custom_plan
set enable_seqscan = off as $$
declare
  f auditbox.frontier;
  last bigint;
  lost int8multirange;
begin
  lost_rows := 0;
  select * into f from auditbox.frontier for update skip locked;
  if not found then
    next_behind := behind;
    return;
  end if;
  if behind <= 0 and f.sealed_up_to > (select last_value from auditbox.outbox_id_seq) then
    perform auditbox.repair_frontier();
    select * into f from auditbox.frontier;
  end if;
  -- The lock came first, so this snapshot sees every batch that the frontier counts.
  select max(last_id), range_agg(int8range(first_id, last_id, '[]'))
  into last, lost
  from (
    select min(id) as first_id, max(id) as last_id
    from (
      select id, id - row_number() over (order by id) as island
      from (
        select o.id from auditbox.outbox o where o.id > behind and o.id <= f.sealed_up_to order by o.id limit max_rows
      ) block
    ) numbered
    group by island
  ) islands;
  next_behind := last;
  if last is null then
    return;
  end if;
  lost := lost - f.gaps - coalesce((
    select range_agg(b.outbox_ids) from auditbox.batch b
    where b.replay_for is null and b.outbox_ids && int8range(behind, last, '(]')
  ), '{}');
  if not isempty(lost) then
    update auditbox.frontier set gaps = gaps + lost;
    select sum(upper(ids) - lower(ids)) into lost_rows from unnest(lost) as ids;
  end if;
end $$;
--> statement-breakpoint
-- Looks behind an event, by event time and id, for audit rows without an outbox row: their trigger was off, or their month
-- was attached by hand. They get one. conflicting counts rows whose id belongs to an event of another time.
create function auditbox.reconcile_audit_log(behind_time timestamptz, behind_id uuid, max_rows integer,
  out next_time timestamptz, out next_id uuid, out restored bigint, out conflicting bigint)
language plpgsql security definer
set search_path = pg_catalog, pg_temp set row_security = off set plan_cache_mode = force_custom_plan
set enable_seqscan = off as $$
begin
  -- The argument of `seal` wants a transaction id before an id of the outbox. Elsewhere the audit row's insert sees to it.
  perform pg_current_xact_id();
  with block as materialized (
    select a.id, a.occurred_at, a.recorded_at, o.occurred_at as registered_at
    from (
      select a.id, a.occurred_at, a.recorded_at from auditbox.audit_log a
      where (a.occurred_at, a.id) > (behind_time, behind_id)
      order by a.occurred_at, a.id
      limit max_rows
    ) a
    cross join lateral (
      select max(o.occurred_at) as occurred_at from auditbox.outbox o where o.audit_id = a.id
    ) o
  ), added as (
    insert into auditbox.outbox (audit_id, occurred_at, recorded_at, bytes)
    select b.id, b.occurred_at, b.recorded_at, auditbox.line_bytes(
        a.changed_by || a.changed_by_api_key || a.action || a.table_name || a.object_id,
        a.before_value, a.updated_values, a.context)
    from block b join auditbox.audit_log a on a.id = b.id and a.occurred_at = b.occurred_at
    where b.registered_at is null
    on conflict (audit_id) do nothing
    returning 1
  )
  select last.occurred_at, last.id, (select count(*) from added),
    (select count(*) from block where registered_at <> occurred_at)
      + (select count(*) from block where registered_at is null) - (select count(*) from added)
  into next_time, next_id, restored, conflicting
  from (select) one left join lateral (select * from block order by occurred_at desc, id desc limit 1) last on true;
end $$;
--> statement-breakpoint
-- Puts rejected rows of a destination into separate batches for it, and adds their deliveries: a replay. Gives the batches.
-- Rows of a failed delivery are replayed by replaying that.
create function auditbox.replay_rejections(destination_name text, rejected_ids bigint[]) returns setof bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp set row_security = off as $$
declare
  part record;
  made bigint;
begin
  -- The rows are locked, so that two replays make one batch.
  perform from auditbox.rejection r
  where r.destination = destination_name and r.outbox_id = any(rejected_ids) and r.replayed_in is null
  order by r.outbox_id, r.batch_id for update;
  for part in
    select b.partition, array_agg(r.outbox_id) as ids, min(r.occurred_at) as first_at, max(r.occurred_at) as last_at,
      min(o.recorded_at) as recorded_at
    from auditbox.rejection r
    join auditbox.batch b on b.id = r.batch_id
    join auditbox.delivery d on d.destination = r.destination and d.batch_id = r.batch_id and d.state <> 'failed'
    join auditbox.outbox o on o.id = r.outbox_id
    where r.destination = destination_name and r.outbox_id = any(rejected_ids) and r.replayed_in is null
    group by b.partition
  loop
    insert into auditbox.batch
      (partition, outbox_ids, row_count, first_occurred_at, last_occurred_at, first_recorded_at, replay_for)
    select part.partition, range_agg(int8range(id, id, '[]')), count(*), part.first_at, part.last_at, part.recorded_at,
      destination_name
    from unnest(part.ids) as id
    returning id into made;
    insert into auditbox.delivery (destination, batch_id) values (destination_name, made);
    update auditbox.rejection r set replayed_in = made
    where r.destination = destination_name and r.outbox_id = any(part.ids) and r.batch_id <> made and r.replayed_in is null;
    return next made;
  end loop;
end $$;
