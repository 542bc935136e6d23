-- A batch that is made while a destination is removed leaves no delivery of it behind. The seal locks the destinations that it makes
-- deliveries for, so that a removal waits for it, and leaves out those that were removed since its snapshot. It locks the frontier
-- first and the destinations last, and a removal locks nothing but its destination, so nobody waits in a circle.
-- Locks: none.
create or replace function auditbox.seal(grain text, max_rows integer, max_bytes bigint, linger_ms double precision, max_batches integer, by_tenant boolean default false,
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
  ), new_row as (
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
  ), weighed as (
    -- By bytes first, then by rows: all that was read can be sealed, whichever limit comes first.
    select *, (sum(bytes) over (partition by starts_at, tenant order by id rows unbounded preceding) - bytes) / max_bytes as slice
    from seen
  ), numbered as (
    select *, row_number() over (partition by starts_at, tenant, slice order by id) - 1 as place from weighed
  ), measured as materialized (
    -- A part is named by the id of its first row.
    select id, occurred_at, recorded_at, bytes, starts_at, tenant, place % max_rows + 1 as rows_so_far,
      sum(bytes) over so_far as bytes_so_far, first_value(id) over so_far as part
    from numbered
    window so_far as (partition by starts_at, tenant, slice, place / max_rows order by id rows unbounded preceding)
  ), ripe as materialized (
    select part
    from measured
    group by part
    having count(*) >= max_rows or sum(bytes) >= max_bytes
      or min(recorded_at) <= clock_timestamp() - linger_ms * interval '1 millisecond'
      or max(recorded_at) > clock_timestamp() + interval '1 second'
      -- Rows of many hours or tenants wait for company, and newer ones find no room. Waiting brings no company then.
      or (select count(*) from gap_row) > most / 2 and (select count(*) from seen) >= most
    order by part
    limit max_batches
  ), placed as materialized (
    -- These are the first rows of their part, so what is equal here has ids without a hole.
    select id, occurred_at, recorded_at, part, id - rows_so_far as island
    from measured join ripe using (part)
    where rows_so_far = 1 or bytes_so_far <= max_bytes
  ), made as (
    insert into auditbox.batch
      (partition, outbox_ids, row_count, first_occurred_at, last_occurred_at, first_recorded_at, tenant)
    select to_char(starts_at, case grain when 'hour' then 'YYYY-MM-DD"T"HH24' else 'YYYY-MM-DD' end),
      range_agg(int8range(first_id, last_id, '[]')), sum(row_count), min(first_occurred_at), max(last_occurred_at),
      min(first_recorded_at), case when by_tenant then tenant end
    from (
      select part, min(id) as first_id, max(id) as last_id, count(*) as row_count,
        min(occurred_at) as first_occurred_at, max(occurred_at) as last_occurred_at, min(recorded_at) as first_recorded_at
      from placed
      group by part, island
    ) islands
    join (select id as part, starts_at, tenant from measured where rows_so_far = 1) first_row using (part)
    group by part, starts_at, tenant
    order by part
    returning id, outbox_ids, row_count
  ), receiver as materialized (
    -- A removal waits for this lock, and a destination that was removed since the snapshot is not here. Without it a delivery
    -- would stay that nobody sends. A pause and the progress of a history do not wait, because they keep the key of the row.
    select d.name from auditbox.destination d where exists (select from made) for key share
  ), sent as (
    insert into auditbox.delivery (destination, batch_id)
    select r.name, m.id from made m cross join receiver r
  ), result as materialized (
    -- Materialised, because each mention of a column would run its query again.
    select f.*, greatest(f.sealed_up_to, (select max(id) from seen)) as next_sealed_up_to,
      (select coalesce(range_agg(outbox_ids), '{}') from made) as sealed_ids,
      -- Ids that a snapshot was looked up for: where the limit cut off the gaps, those behind it were not.
      case when (select count(*) from gap_row) >= most then int8multirange(int8range(null, (select max(id) from gap_row), '[]'))
        else int8multirange(int8range(null, null)) end as looked_up,
      pg_snapshot_xmin(pg_current_snapshot()) as xmin
    from f
  ), opened as materialized (
    select *,
      gaps + case when next_sealed_up_to > sealed_up_to
          then int8multirange(int8range(sealed_up_to, next_sealed_up_to, '(]')) else '{}' end
        - sealed_ids as unsealed,
      -- A transaction id ahead of this one comes from another server: the database was restored from a dump.
      closing_xid is null or xmin >= closing_xid or closing_xid > pg_current_xact_id() as is_over,
      closing_xid is not null and xmin >= closing_xid as is_closable
    from result
  ), looked as materialized (
    select *,
      -- Where nothing is unsealed, nobody asks.
      case when isempty(unsealed) then '{}' else (
        select coalesce(range_agg(int8range(first_id, last_id, '[]')), '{}')
        from (
          select min(id) as first_id, max(id) as last_id
          from (select id, id - row_number() over (order by id) as island from seen) s
          group by island
        ) islands
      ) end as visible
    from opened
  ), closed as materialized (
    select *, unsealed - case when is_closable then closing * looked_up - visible else '{}' end as next_gaps from looked
  ), moved as (
    update auditbox.frontier
    set sealed_up_to = next.sealed_up_to, gaps = next.gaps, closing = next.closing,
      closing_xid = case when isempty(next.closing) then null else next.closing_xid end
    from (
      select next_sealed_up_to as sealed_up_to, next_gaps as gaps,
        case
          -- The generation before is still open: what of it became visible leaves it.
          when not is_over then closing * next_gaps - visible
          when may_note then next_gaps * looked_up - visible
          else '{}'
        end as closing,
        case when is_over then pg_current_xact_id() else closing_xid end as closing_xid
      from closed
    ) next
    where (frontier.sealed_up_to, frontier.gaps, frontier.closing)
      is distinct from (next.sealed_up_to, next.gaps, next.closing)
  ), counted as materialized (
    select (select count(*) from made) as batches, (select coalesce(sum(row_count), 0) from made) as rows,
      (select count(*) from seen) as seen
  )
  select exists (select from f), c.batches, c.rows, c.seen >= most,
    case when c.seen > c.rows then (
      select extract(epoch from min(recorded_at) + linger_ms * interval '1 millisecond' - clock_timestamp()) * 1000
      from seen where not exists (select from placed where placed.id = seen.id)
    ) end
  from counted c
  into looked, batches, rows, more, ripe_in_ms;
end $$;
--> statement-breakpoint
create or replace function auditbox.seal_in_steps(
  grain text, max_rows integer, max_bytes bigint, linger_ms double precision, max_batches integer, by_tenant boolean default false,
  out looked boolean, out batches integer, out rows bigint, out more boolean, out ripe_in_ms double precision)
language plpgsql security definer set search_path = pg_catalog, pg_temp set row_security = off as $$
#variable_conflict use_column
declare
  most integer := 2 * max_rows;
  may_note boolean;
  given int8multirange;
  -- The frontier, as it was when it was locked.
  f record;
  r record;
  made record;
  made_id bigint;
  names text[];
  next_gaps int8multirange;
  next_closing int8multirange;
  next_xid xid8;
  is_over boolean;
  is_closable boolean;
begin
  if grain not in ('hour', 'day') then
    raise exception 'the grain % is not hour or day', grain using errcode = 'invalid_parameter_value';
  end if;
  if current_setting('transaction_isolation') <> 'read committed' then
    -- Each statement needs its own snapshot: that of the lock may be older than the batches of another sealer.
    raise exception 'sealing in steps needs the isolation level read committed' using errcode = 'invalid_transaction_state';
  end if;
  select pg_current_xact_id_if_assigned() is null as is_fresh,
    int8multirange(auditbox.outbox_ids_given()) as given,
    not isempty(f.gaps * int8multirange(auditbox.outbox_ids_given()))
    or exists (select 1 from auditbox.outbox o where o.id > f.sealed_up_to) or exists (
      select 1 from unnest(f.gaps) as gap cross join lateral (
        select 1 from auditbox.outbox o where o.id >= lower(gap) and o.id < upper(gap) limit 1
      ) waiting
    ) as has_work
  into r
  from auditbox.frontier f;
  if not found then
    raise exception 'the frontier has no row'
      using errcode = 'no_data_found', schema = 'auditbox', table = 'frontier', hint = 'select auditbox.repair_frontier()';
  end if;
  if not r.has_work then
    select true, 0, 0, false, null into looked, batches, rows, more, ripe_in_ms;
    return;
  end if;
  may_note := r.is_fresh;
  given := r.given;
  -- The lock, and with it the id of this transaction. It is younger than every gap that is here now: the sealer that found
  -- them has committed.
  select sealed_up_to, gaps, closing, closing_xid into f from auditbox.frontier for update skip locked;
  if not found then
    select false, 0, 0, false, null into looked, batches, rows, more, ripe_in_ms;
    return;
  end if;
  -- What auditbox.seal reads, in one statement, so from one snapshot. Nothing is changed in between: the frontier is locked.
  with f as materialized (
    select sealed_up_to, gaps from auditbox.frontier
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
      case when by_tenant then coalesce((
        select a.tenant from auditbox.audit_log a where a.id = either.audit_id and a.occurred_at = either.occurred_at), '')
        else '' end collate "C" as tenant
    from (select * from gap_row union all select * from new_row) either
  ), weighed as materialized (
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
      or (select count(*) from gap_row) > most / 2 and (select count(*) from seen) >= most
    order by min(id)
    limit max_batches
  ), placed as materialized (
    select m.id, m.occurred_at, m.recorded_at, m.starts_at, m.tenant, m.slice, m.part,
      m.id - row_number() over (partition by m.starts_at, m.tenant, m.slice, m.part order by m.id) as island
    from measured m join ripe using (starts_at, tenant, slice, part)
    where m.rows_so_far = 1 or m.bytes_so_far <= max_bytes
  ), cut as materialized (
    select to_char(starts_at, case grain when 'hour' then 'YYYY-MM-DD"T"HH24' else 'YYYY-MM-DD' end) as partition,
      range_agg(int8range(first_id, last_id, '[]')) as outbox_ids, sum(row_count) as row_count,
      min(first_occurred_at) as first_occurred_at, max(last_occurred_at) as last_occurred_at,
      min(first_recorded_at) as first_recorded_at, case when by_tenant then tenant end as tenant, min(first_id) as place
    from (
      select starts_at, tenant, slice, part, min(id) as first_id, max(id) as last_id, count(*) as row_count,
        min(occurred_at) as first_occurred_at, max(occurred_at) as last_occurred_at, min(recorded_at) as first_recorded_at
      from placed
      group by starts_at, tenant, slice, part, island
    ) islands
    group by starts_at, tenant, slice, part
  )
  select greatest(f.sealed_up_to, (select max(id) from new_row)) as sealed_up_to,
    coalesce((select json_agg(cut order by place) from cut), '[]') as batches,
    (select coalesce(range_agg(outbox_ids), '{}') from cut) as sealed_ids,
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
    pg_snapshot_xmin(pg_current_snapshot()) as xmin, pg_current_xact_id() as xid,
    (select count(*) from seen) >= most as more,
    (
      select extract(epoch from min(recorded_at) + linger_ms * interval '1 millisecond' - clock_timestamp()) * 1000
      from seen where not exists (select 1 from placed where placed.id = seen.id)
    ) as ripe_in_ms
  into r
  from f;

  looked := true;
  batches := 0;
  rows := 0;
  more := r.more;
  ripe_in_ms := r.ripe_in_ms;
  if json_array_length(r.batches) > 0 then
    -- Locked as in auditbox.seal.
    select array_agg(d.name) into names from (select name from auditbox.destination for key share) d;
  end if;
  for made in
    select * from json_to_recordset(r.batches) as b (partition text, outbox_ids int8multirange, row_count integer,
      first_occurred_at timestamptz, last_occurred_at timestamptz, first_recorded_at timestamptz, tenant text, place bigint)
    order by place
  loop
    insert into auditbox.batch (partition, outbox_ids, row_count, first_occurred_at, last_occurred_at, first_recorded_at, tenant)
    values (made.partition, made.outbox_ids, made.row_count, made.first_occurred_at, made.last_occurred_at,
      made.first_recorded_at, made.tenant)
    returning id into made_id;
    for i in 1 .. coalesce(cardinality(names), 0) loop
      insert into auditbox.delivery (destination, batch_id) values (names[i], made_id);
    end loop;
    batches := batches + 1;
    rows := rows + made.row_count;
  end loop;

  is_over := f.closing_xid is null or r.xmin >= f.closing_xid or f.closing_xid > r.xid;
  is_closable := f.closing_xid is not null and r.xmin >= f.closing_xid;
  next_gaps := f.gaps + case when r.sealed_up_to > f.sealed_up_to
      then int8multirange(int8range(f.sealed_up_to, r.sealed_up_to, '(]')) else '{}' end
    - r.sealed_ids - case when is_closable then f.closing * r.looked_up - r.visible else '{}' end;
  -- Only gaps that were there at the lock: one that was found after it may belong to a transaction with a higher id than ours,
  -- and is noted by the next call. And only ids that this node had given out before: another node may give out its own, also lower
  -- ones, once the schema has moved to it. So gaps between the ids of two nodes stay.
  next_closing := case when not is_over then f.closing * next_gaps - r.visible
    when may_note then f.gaps * next_gaps * given - r.visible else '{}' end;
  next_xid := case when isempty(next_closing) then null when is_over then r.xid else f.closing_xid end;
  if (r.sealed_up_to, next_gaps, next_closing) is distinct from (f.sealed_up_to, f.gaps, f.closing) then
    update auditbox.frontier set sealed_up_to = r.sealed_up_to, gaps = next_gaps, closing = next_closing, closing_xid = next_xid;
  end if;
end $$;
--> statement-breakpoint
create or replace function auditbox.adopt_batch(to_destination text, adopted_id bigint, adopted_partition text, audit_ids uuid[], key text, content_sha256 text, content_bytes bigint, stored_bytes bigint, root_of_lines text, stored_sha256 text) returns text
language plpgsql security definer
set search_path = pg_catalog, pg_temp set row_security = off as $$
declare
  ids int8multirange;
  found_rows integer;
  existing auditbox.batch;
  sent auditbox.delivery;
  token constant uuid := gen_random_uuid();
  others text[];
begin
  perform from auditbox.frontier for update;
  -- Batches of this database that come later must not get ids of objects in the bucket.
  perform setval('auditbox.batch_id_seq', greatest(adopted_id, (select last_value from auditbox.batch_id_seq)));
  select range_agg(int8range(o.id, o.id + 1)), count(*)::int into ids, found_rows
  from auditbox.outbox o where o.audit_id = any (audit_ids);
  if ids is null then
    return 'unknown';
  end if;
  select * into existing from auditbox.batch b where b.id = adopted_id;
  if existing.id is not null and existing.outbox_ids <> ids then
    return 'conflict';
  elsif existing.id is null then
    if exists (select from auditbox.batch b where b.outbox_ids && ids and b.replay_for is null) then
      return 'conflict';
    end if;
    insert into auditbox.batch (id, partition, outbox_ids, row_count, first_occurred_at, last_occurred_at, first_recorded_at)
    overriding system value
    select adopted_id, adopted_partition, ids, found_rows, min(o.occurred_at), max(o.occurred_at), min(o.recorded_at)
    from auditbox.outbox o where o.audit_id = any (audit_ids);
    -- Other destinations may not have these rows. They get requests at least once.
    -- Locked as in auditbox.seal.
    select array_agg(d.name) into others
    from (select name from auditbox.destination where name <> to_destination for key share) d;
    insert into auditbox.delivery (destination, batch_id) select unnest(others), adopted_id;
  end if;
  insert into auditbox.delivery (destination, batch_id) values (to_destination, adopted_id) on conflict do nothing;
  select * into sent from auditbox.delivery d where d.destination = to_destination and d.batch_id = adopted_id for update;
  if sent.state = 'done' then
    return case when sent.object_key = key then 'adopted' else 'conflict' end;
  end if;
  update auditbox.delivery d set state = 'sealed' where d.destination = to_destination and d.batch_id = adopted_id
    and d.state = 'failed';
  update auditbox.delivery d
  set state = 'sending', lease_token = token, leased_until = statement_timestamp(), object_key = key,
    sha256 = content_sha256, ndjson_bytes = content_bytes, object_bytes = stored_bytes,
    lines_root = case when found_rows = cardinality(audit_ids) then root_of_lines end,
    object_sha256 = stored_sha256
  where d.destination = to_destination and d.batch_id = adopted_id;
  update auditbox.delivery d
  set state = 'done', done_at = statement_timestamp(), lease_token = null, leased_until = null, last_error = null
  where d.destination = to_destination and d.batch_id = adopted_id;
  return 'adopted';
end $$;
