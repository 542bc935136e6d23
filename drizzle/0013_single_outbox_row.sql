-- The trigger writes a single outbox row without functions that return rows: `unnest` of three arrays makes three temporary
-- stores, which took some percent of the time of a single event. All else is as before.
-- Locks: the function alone; writers go on.
--
create or replace function auditbox.audit_log_to_outbox() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp set row_security = off as $$
declare
  ids uuid[];
  times timestamptz[];
  sizes integer[];
  latest timestamptz;
  is_dated boolean;
  has_escapes boolean;
  written integer;
  wrong record;
begin
  select array_agg(r.id), array_agg(r.occurred_at), max(r.occurred_at), bool_or(r.recorded_at <> statement_timestamp()),
    array_agg(auditbox.line_bytes(
      r.changed_by || r.changed_by_api_key || r.action || r.table_name || r.object_id,
      r.before_value, r.updated_values, r.context)),
    bool_or(strpos(r.before_value::text, '\u') > 0 or strpos(r.updated_values::text, '\u') > 0
      or strpos(r.context::text, '\u') > 0)
  into ids, times, latest, is_dated, sizes, has_escapes
  from recorded r;
  if ids is null then
    return null;
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
    select r.id into wrong from recorded r where r.recorded_at <> statement_timestamp() limit 1;
    raise exception 'recorded_at of % was given; the database sets it', wrong.id
      using errcode = 'check_violation', constraint = 'audit_log_recorded_at_is_now',
            schema = tg_table_schema, table = 'audit_log', detail = wrong.id::text;
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
    values (ids[1], times[1], statement_timestamp(), sizes[1])
    on conflict (audit_id) do nothing;
  else
    insert into auditbox.outbox (audit_id, occurred_at, recorded_at, bytes)
    select event.id, event.occurred_at, statement_timestamp(), event.bytes
    from unnest(ids, times, sizes) as event (id, occurred_at, bytes)
    on conflict (audit_id) do nothing;
  end if;
  get diagnostics written = row_count;
  if written < cardinality(ids) then
    -- The event's outbox row may be older than this snapshot, or of this statement when one id was given twice.
    select r.id into wrong
    from recorded r left join auditbox.outbox o on o.audit_id = r.id and o.occurred_at = r.occurred_at
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
