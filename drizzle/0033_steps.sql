-- Sealing and the edge of feeds in a distributed schema of Citus. Plain Postgres does not call these functions.
-- Locks: none.
--
-- The outbox ids that the sequence of this node has given out. The nodes of a Citus cluster share out the ids.
--
create function auditbox.outbox_ids_given() returns int8range
language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
  select int8range(s.seqmin, coalesce(pg_sequence_last_value(s.seqrelid), s.seqmin - 1) + 1)
  from pg_catalog.pg_sequence s where s.seqrelid = 'auditbox.outbox_id_seq'::regclass
$$;
--> statement-breakpoint
revoke execute on function auditbox.outbox_ids_given() from public;
--> statement-breakpoint
-- The seal of auditbox.seal in several statements of one transaction, because Citus refuses statements that read rows, insert
-- and update at once. It keeps the same invariants (packages/db/src/export/STATES.md) with one difference: a gap is noted for
-- closing by the first call after the one that found it. Citus sends each statement to the node of the shards, so ids of transactions
-- and snapshots are those of the node where the writers are.
--
create function auditbox.seal_in_steps(
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
  select array_agg(name) into names from auditbox.destination;
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
revoke execute on function auditbox.seal_in_steps(text, integer, bigint, double precision, integer, boolean) from public;
--> statement-breakpoint
-- The transactions that may have taken outbox ids, as JSON: the `holders` of the lock that an insert into the outbox takes, and which
-- of `known` and of the holders still run. In a distributed schema it is called for a row of a table, so that Citus runs it on the node
-- of the shards.
--
create function auditbox.outbox_holders(known text) returns text
language sql volatile set search_path = pg_catalog, pg_temp as $$
  with lock as materialized (
    select locktype, relation, database, mode, virtualtransaction, pid, transactionid::text as xid
    from pg_catalog.pg_locks where granted
  ), own as (
    select virtualtransaction, pid, xid from lock where locktype = 'transactionid' and mode = 'ExclusiveLock'
  ), holder as (
    select distinct own.xid
    from lock join own on own.virtualtransaction = lock.virtualtransaction and own.pid is not distinct from lock.pid
    where lock.locktype = 'relation' and lock.relation = 'auditbox.outbox'::regclass and lock.mode = 'RowExclusiveLock'
      and lock.database = (select oid from pg_catalog.pg_database where datname = current_database())
  )
  select json_build_object(
    'holders', (select coalesce(json_agg(xid), '[]') from holder),
    'running', (
      select coalesce(json_agg(xid), '[]') from own
      where xid in (select * from json_array_elements_text(known::json)) or xid in (select xid from holder)
    ))::text
$$;
--> statement-breakpoint
revoke execute on function auditbox.outbox_holders(text) from public;
--> statement-breakpoint
-- As texts, because Citus cannot send a parsed body that reads a distributed table. They do what they did.
create or replace function auditbox.content_key() returns text
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select value from auditbox.secret where name = 'content-hash'
$$;
--> statement-breakpoint
create or replace function auditbox.note_key_use(uses json) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update auditbox.api_key k set last_used_at = u.at, last_used_address = u.address
  from json_to_recordset(uses) as u (id uuid, at timestamptz, address text)
  where k.id = u.id and (k.last_used_at is null or k.last_used_at < u.at);
end $$;
