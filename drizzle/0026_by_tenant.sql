-- A batch may hold the events of one tenant only, so that each tenant's objects lie in a separate folder.
-- Locks: batches, for a moment; no row is rewritten.
--
alter table auditbox.batch add column tenant text collate "C";
--> statement-breakpoint
drop function auditbox.seal(text, integer, bigint, double precision, integer);
--> statement-breakpoint
-- `by_tenant`: a batch holds events of one tenant, and `batch.tenant` says whose; it is empty for events of no tenant. An
-- exporter of an earlier version leaves the argument out. For all else see the first version of this function.
create function auditbox.seal(grain text, max_rows integer, max_bytes bigint, linger_ms double precision, max_batches integer, by_tenant boolean default false,
  out looked boolean, out batches integer, out rows bigint, out more boolean, out ripe_in_ms double precision)
language plpgsql security definer
set search_path = pg_catalog, pg_temp set row_security = off set plan_cache_mode = force_custom_plan
set enable_seqscan = off set jit = off as $$
declare
  may_note boolean := pg_current_xact_id_if_assigned() is null;
  most integer := 2 * max_rows;
begin
  if grain not in ('hour', 'day') then
    raise exception 'the grain % is not hour or day', grain using errcode = 'invalid_parameter_value';
  end if;
  if not exists (select from auditbox.frontier) then
    raise exception 'the frontier has no row'
      using errcode = 'no_data_found', schema = 'auditbox', table = 'frontier', hint = 'select auditbox.repair_frontier()';
  end if;
  -- Nothing to do leaves nothing behind: a lock on the frontier would write to the disk at every poll.
  if exists (
    select from auditbox.frontier f
    where isempty(f.gaps) and not exists (select from auditbox.outbox o where o.id > f.sealed_up_to)
  ) then
    select true, 0, 0, false, null into looked, batches, rows, more, ripe_in_ms;
    return;
  end if;
  with f as materialized (
    select sealed_up_to, gaps, closing, closing_xid from auditbox.frontier for update skip locked
  ), gap_row as materialized (
    select o.id, o.audit_id, o.occurred_at, o.recorded_at, o.bytes
    from f cross join lateral unnest(f.gaps) with ordinality as gap (ids, place) cross join lateral (
      select * from auditbox.outbox o where o.id >= lower(gap.ids) and o.id < upper(gap.ids) order by o.id limit most
    ) o
    order by gap.place, o.id
    limit most
  ), new_row as materialized (
    select o.id, o.audit_id, o.occurred_at, o.recorded_at, o.bytes
    from f cross join lateral (
      select * from auditbox.outbox o
      where o.id > f.sealed_up_to
      order by o.id
      limit most - (select count(*) from gap_row)
    ) o
  ), seen as materialized (
    select id, occurred_at, recorded_at, bytes, date_trunc(grain, occurred_at at time zone 'UTC') as starts_at,
      -- Looked up only here, so that the outbox row of every event stays small. Empty when all tenants share a batch.
      case when by_tenant then coalesce((
        select a.tenant from auditbox.audit_log a where a.id = either.audit_id and a.occurred_at = either.occurred_at), '')
        else '' end collate "C" as tenant
    from (select * from gap_row union all select * from new_row) either
  ), weighed as materialized (
    -- By bytes first, then by rows: all that was read can be sealed, whichever limit comes first.
    select *, (sum(bytes) over (partition by starts_at, tenant order by id rows unbounded preceding) - bytes) / max_bytes as slice
    from seen
  ), numbered as materialized (
    select *, (row_number() over (partition by starts_at, tenant, slice order by id) - 1) / max_rows as part from weighed
  ), measured as materialized (
    select *, row_number() over so_far as rows_so_far, sum(bytes) over so_far as bytes_so_far
    from numbered
    window so_far as (partition by starts_at, tenant, slice, part order by id rows unbounded preceding)
  ), ripe as materialized (
    select starts_at, tenant, slice, part
    from measured
    group by starts_at, tenant, slice, part
    having count(*) >= max_rows or sum(bytes) >= max_bytes
      or min(recorded_at) <= clock_timestamp() - linger_ms * interval '1 millisecond'
      or max(recorded_at) > clock_timestamp() + interval '1 second'
      -- Rows of many hours or tenants wait for company, and newer ones find no room. Waiting brings no company then.
      or (select count(*) from gap_row) > most / 2 and (select count(*) from seen) >= most
    order by min(id)
    limit max_batches
  ), placed as materialized (
    select m.id, m.occurred_at, m.recorded_at, m.starts_at, m.tenant, m.slice, m.part,
      m.id - row_number() over (partition by m.starts_at, m.tenant, m.slice, m.part order by m.id) as island
    from measured m join ripe using (starts_at, tenant, slice, part)
    where m.rows_so_far = 1 or m.bytes_so_far <= max_bytes
  ), made as (
    insert into auditbox.batch
      (partition, outbox_ids, row_count, first_occurred_at, last_occurred_at, first_recorded_at, tenant)
    select to_char(starts_at, case grain when 'hour' then 'YYYY-MM-DD"T"HH24' else 'YYYY-MM-DD' end),
      range_agg(int8range(first_id, last_id, '[]')), sum(row_count), min(first_occurred_at), max(last_occurred_at),
      min(first_recorded_at), case when by_tenant then tenant end
    from (
      select starts_at, tenant, slice, part, min(id) as first_id, max(id) as last_id, count(*) as row_count,
        min(occurred_at) as first_occurred_at, max(occurred_at) as last_occurred_at, min(recorded_at) as first_recorded_at
      from placed
      group by starts_at, tenant, slice, part, island
    ) islands
    group by starts_at, tenant, slice, part
    order by min(first_id)
    returning id, outbox_ids, row_count
  ), sent as (
    insert into auditbox.delivery (destination, batch_id)
    select d.name, m.id from made m cross join auditbox.destination d
  ), result as (
    select
      greatest(f.sealed_up_to, (select max(id) from new_row)) as sealed_up_to,
      (select coalesce(range_agg(outbox_ids), '{}') from made) as sealed_ids,
      -- Ids that a snapshot was looked up for: where the limit cut off the gaps, those behind it were not.
      case when (select count(*) from gap_row) >= most then int8multirange(int8range(null, (select max(id) from gap_row), '[]'))
        else int8multirange(int8range(null, null)) end as looked_up,
      (
        select coalesce(range_agg(int8range(first_id, last_id, '[]')), '{}')
        from (
          select min(id) as first_id, max(id) as last_id
          from (select id, id - row_number() over (order by id) as island from seen) s
          group by island
        ) islands
      ) as visible,
      pg_snapshot_xmin(pg_current_snapshot()) as xmin
    from f
  ), moved as (
    update auditbox.frontier
    set sealed_up_to = next.sealed_up_to, gaps = next.gaps, closing = next.closing,
      closing_xid = case when isempty(next.closing) then null else next.closing_xid end
    from (
      select r.sealed_up_to, g.gaps,
        case
          -- The generation before is still open: what of it became visible leaves it.
          when not c.is_over then f.closing * g.gaps - r.visible
          when may_note then g.gaps * r.looked_up - r.visible
          else '{}'
        end as closing,
        case when c.is_over then pg_current_xact_id() else f.closing_xid end as closing_xid
      from f cross join result r
      cross join lateral (
        -- A transaction id ahead of this one comes from another server: the database was restored from a dump.
        select f.closing_xid is null or r.xmin >= f.closing_xid or f.closing_xid > pg_current_xact_id() as is_over,
          f.closing_xid is not null and r.xmin >= f.closing_xid as is_closable
      ) c
      cross join lateral (
        select f.gaps + case when r.sealed_up_to > f.sealed_up_to
              then int8multirange(int8range(f.sealed_up_to, r.sealed_up_to, '(]')) else '{}' end
            - r.sealed_ids
            - case when c.is_closable then f.closing * r.looked_up - r.visible else '{}' end as gaps
      ) g
    ) next
    where (frontier.sealed_up_to, frontier.gaps, frontier.closing)
      is distinct from (next.sealed_up_to, next.gaps, next.closing)
  )
  select exists (select from f), (select count(*) from made), (select coalesce(sum(row_count), 0) from made),
    (select count(*) from seen) >= most,
    (
      select extract(epoch from min(recorded_at) + linger_ms * interval '1 millisecond' - clock_timestamp()) * 1000
      from seen where not exists (select from placed where placed.id = seen.id)
    )
  into looked, batches, rows, more, ripe_in_ms;
end $$;
--> statement-breakpoint
create or replace function auditbox.replay_rejections(destination_name text, rejected_ids bigint[]) returns setof bigint
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
    select b.partition, b.tenant, array_agg(r.outbox_id) as ids, min(r.occurred_at) as first_at, max(r.occurred_at) as last_at,
      min(o.recorded_at) as recorded_at
    from auditbox.rejection r
    join auditbox.batch b on b.id = r.batch_id
    join auditbox.delivery d on d.destination = r.destination and d.batch_id = r.batch_id and d.state <> 'failed'
    join auditbox.outbox o on o.id = r.outbox_id
    where r.destination = destination_name and r.outbox_id = any(rejected_ids) and r.replayed_in is null
    group by b.partition, b.tenant
  loop
    insert into auditbox.batch
      (partition, outbox_ids, row_count, first_occurred_at, last_occurred_at, first_recorded_at, replay_for, tenant)
    select part.partition, range_agg(int8range(id, id, '[]')), count(*), part.first_at, part.last_at, part.recorded_at,
      destination_name, part.tenant
    from unnest(part.ids) as id
    returning id into made;
    insert into auditbox.delivery (destination, batch_id) values (destination_name, made);
    update auditbox.rejection r set replayed_in = made
    where r.destination = destination_name and r.outbox_id = any(part.ids) and r.batch_id <> made and r.replayed_in is null;
    return next made;
  end loop;
end $$;
