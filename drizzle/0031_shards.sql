-- The trigger of audit_log and adopt_batch also work in a distributed schema of Citus. There the coordinator stamps the rows of
-- an insert, the trigger runs on the shard, and an update may not call a volatile function.
-- Locks: none.
--
create or replace function auditbox.audit_log_to_outbox() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp set row_security = off set standard_conforming_strings = on set quote_all_identifiers = off as $$
declare
  ids uuid[];
  times timestamptz[];
  sizes integer[];
  latest timestamptz;
  is_dated boolean;
  has_escapes boolean;
  is_forged boolean;
  is_odd boolean;
  written integer;
  wrong record;
  stamped timestamptz := statement_timestamp();
  -- Citus adds the number of the shard to the name of the table.
  is_shard constant boolean := tg_table_name <> 'audit_log' and tg_table_name ~ '^audit_log_\d{6,}$';
  login constant text := 'sql:' || session_user;
  -- Control characters, and format characters that change how a text looks but not what it is.
  odd_characters constant text :=
    '[\u0001-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]';
begin
  select array_agg(r.id), array_agg(r.occurred_at), max(r.occurred_at), bool_or(r.recorded_at <> statement_timestamp()),
    array_agg(auditbox.line_bytes(
      r.changed_by || r.changed_by_api_key || r.action || r.table_name || r.object_id || r.recorded_by
        || case when r.tenant = '' and r.redacted is null then '' else '                        ' || r.tenant || coalesce(r.redacted::text, '') end,
      r.before_value, r.updated_values, r.context)),
    bool_or(strpos(r.before_value::text, '\u') > 0 or strpos(r.updated_values::text, '\u') > 0
      or strpos(r.context::text, '\u') > 0),
    bool_or(r.recorded_by <> login and starts_with(r.recorded_by, 'sql:')),
    -- The api has checked its names.
    bool_or(r.recorded_by = login and (r.changed_by = '' or r.table_name = '' or r.action = ''
      or r.changed_by || r.changed_by_api_key || r.action || r.table_name || r.tenant ~ odd_characters))
  into ids, times, latest, is_dated, sizes, has_escapes, is_forged, is_odd
  from recorded r;
  if ids is null then
    return null;
  end if;

  -- An exporter holds an event in memory to send it.
  if 16777216 < any (sizes) then
    select event.id into wrong from unnest(ids, sizes) as event (id, bytes) where event.bytes > 16777216 limit 1;
    raise exception 'the event % is larger than 16 MiB', wrong.id
      using errcode = 'check_violation', constraint = 'audit_log_event_fits',
            schema = tg_table_schema, table = 'audit_log', detail = wrong.id::text;
  end if;

  -- An event in the future would be filed under an hour that has not begun. The database's clock decides.
  if latest > clock_timestamp() + interval '5 minutes' then
    select r.id into wrong from recorded r where r.occurred_at > clock_timestamp() + interval '5 minutes' limit 1;
    raise exception 'the event time of % is more than 5 minutes in the future', wrong.id
      using errcode = 'check_violation', constraint = 'audit_log_occurred_at_not_future',
            schema = tg_table_schema, table = 'audit_log', detail = wrong.id::text;
  end if;

  -- The recorded time is ours, because the linger counts from it.
  if is_dated then
    select r.id, r.recorded_at into wrong from recorded r where r.recorded_at <> statement_timestamp() limit 1;
    -- On a shard of Citus the coordinator's statement stamped the rows, a moment ago and by its clock.
    if is_shard and not exists (
      select from recorded r where r.recorded_at not between stamped - interval '15 seconds' and stamped + interval '1 second'
    ) then
      stamped := wrong.recorded_at;
    else
      raise exception 'recorded_at of % was given; the database sets it', wrong.id
        using errcode = 'check_violation', constraint = 'audit_log_recorded_at_is_now',
              schema = tg_table_schema, table = 'audit_log', detail = wrong.id::text;
    end if;
  end if;

  -- Only the login itself may stand behind `sql:`.
  if is_forged then
    select r.id into wrong from recorded r where r.recorded_by <> login and starts_with(r.recorded_by, 'sql:') limit 1;
    raise exception 'recorded_by of % was given; the database sets it', wrong.id
      using errcode = 'check_violation', constraint = 'audit_log_recorded_by_is_ours',
            schema = tg_table_schema, table = 'audit_log', detail = wrong.id::text;
  end if;

  if is_odd then
    select r.id, case when r.changed_by = '' or r.changed_by ~ odd_characters then 'changed_by'
        when r.table_name = '' or r.table_name ~ odd_characters then 'table_name'
        when r.action = '' or r.action ~ odd_characters then 'action'
        when r.tenant ~ odd_characters then 'tenant' else 'changed_by_api_key' end as name
    into wrong
    from recorded r
    where r.recorded_by = login and (r.changed_by = '' or r.table_name = '' or r.action = ''
      or r.changed_by || r.changed_by_api_key || r.action || r.table_name || r.tenant ~ odd_characters)
    limit 1;
    raise exception '% of % is empty, or has a control, bidirectional or zero-width character', wrong.name, wrong.id
      using errcode = 'check_violation', constraint = 'audit_log_names_are_plain',
            schema = tg_table_schema, table = 'audit_log', column = wrong.name, detail = wrong.id::text;
  end if;

  if has_escapes then
    select r.id, coalesce(
      case when auditbox.is_unreadable(r.before_value) then auditbox.path_to_unreadable(r.before_value, 'before_value') end,
      case when auditbox.is_unreadable(r.updated_values)
        then auditbox.path_to_unreadable(r.updated_values, 'updated_values') end,
      case when auditbox.is_unreadable(r.context) then auditbox.path_to_unreadable(r.context, 'context') end) as path
    into wrong
    from recorded r
    where auditbox.is_unreadable(r.before_value) or auditbox.is_unreadable(r.updated_values)
      or auditbox.is_unreadable(r.context)
    limit 1;
    if found then
      raise exception 'the value % of % has a text with \u0000 or half of a surrogate pair, which not every reader can read',
        wrong.path, wrong.id
        using errcode = 'check_violation', constraint = 'audit_log_values_are_readable',
              schema = tg_table_schema, table = 'audit_log', column = wrong.path, detail = wrong.id::text;
    end if;
  end if;

  -- A row that is being inserted with the same id makes this wait. `do nothing` instead of an error of the index, so that
  -- the error can say what to do without the price of a savepoint.
  if cardinality(ids) = 1 then
    insert into auditbox.outbox (audit_id, occurred_at, recorded_at, bytes)
    values (ids[1], times[1], stamped, sizes[1])
    on conflict (audit_id) do nothing;
  else
    insert into auditbox.outbox (audit_id, occurred_at, recorded_at, bytes)
    select event.id, event.occurred_at, stamped, event.bytes
    from unnest(ids, times, sizes) as event (id, occurred_at, bytes)
    on conflict (audit_id) do nothing;
  end if;
  get diagnostics written = row_count;
  if is_shard then
    -- Citus counts the rows that it did not insert, too.
    select count(*) into written from unnest(ids, times) as event (id, occurred_at)
    join auditbox.outbox o on o.audit_id = event.id and o.occurred_at = event.occurred_at;
  end if;
  if written < cardinality(ids) then
    -- The event's outbox row may be older than this snapshot, or of this statement when one id was given twice.
    select r.id into wrong
    from unnest(ids, times) as r (id, occurred_at)
    left join auditbox.outbox o on o.audit_id = r.id and o.occurred_at = r.occurred_at
    where o.id is null
    limit 1;
    raise exception 'the id % is taken by an event with another time', coalesce(wrong.id, ids[1])
      using errcode = 'unique_violation', constraint = 'outbox_audit_id', schema = tg_table_schema, table = 'outbox',
            detail = coalesce(wrong.id, ids[1])::text,
            hint = 'Ids are unique over all times. To write an event again without an error, call '
              || quote_ident(tg_table_schema) || '.record(...).';
  end if;
  return null;
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
    insert into auditbox.delivery (destination, batch_id)
    select d.name, adopted_id from auditbox.destination d where d.name <> to_destination;
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
