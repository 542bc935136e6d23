-- Whoever inserts into audit_log, in whatever language, gets the outbox rows in the same statement: the two cannot be
-- separated. A statement-level trigger sees all new rows at once (transition table), so a batch of 500 costs one call.
--
-- security definer: an application needs the right to insert into audit_log and none on outbox.
create function audit_log_to_outbox() returns trigger
language plpgsql security definer set search_path = pg_catalog, public as $$
declare
  wrong uuid;
begin
  -- A time in the future would be filed under an hour that has not been. The database's clock decides.
  select id into wrong from recorded where occurred_at > clock_timestamp() + interval '5 minutes' limit 1;
  if found then
    raise exception 'the event time of % is more than 5 minutes in the future', wrong
      using errcode = 'check_violation', constraint = 'audit_log_occurred_at_not_future',
            table = 'audit_log', detail = wrong::text;
  end if;

  -- When the database took it is not for the writer to say; the linger counts from it.
  select id into wrong from recorded where recorded_at <> statement_timestamp() limit 1;
  if found then
    raise exception 'recorded_at of % was given; the database sets it', wrong
      using errcode = 'check_violation', constraint = 'audit_log_recorded_at_is_now',
            table = 'audit_log', detail = wrong::text;
  end if;

  -- 251 bytes are the rendered line's names, punctuation, id, times at full length and newline.
  insert into public.outbox (audit_id, occurred_at, recorded_at, bytes)
  select id, occurred_at, recorded_at, least(2147483647,
    251::bigint
    + octet_length(to_json(changed_by)::text) + octet_length(to_json(changed_by_api_key)::text)
    + octet_length(to_json(action)::text) + octet_length(to_json(table_name)::text)
    + octet_length(to_json(object_id)::text)
    + coalesce(octet_length(before_value::text), 4) + coalesce(octet_length(updated_values::text), 4)
    + coalesce(octet_length(context::text), 4))
  from recorded;
  return null;
end $$;
--> statement-breakpoint
create trigger audit_log_to_outbox after insert on audit_log
referencing new table as recorded
for each statement execute function audit_log_to_outbox();
