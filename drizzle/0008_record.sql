-- The idempotent write for any language: makes the event's month, and returns the id. The same call with the same id
-- again changes nothing; the same id with another content is refused with 23505.
--
-- Event times more than 400 days old are for members of the owner, since each month is a table.
create function auditbox.record(
  changed_by text, action text, table_name text, object_id text,
  updated_values json default null, before_value json default null, context json default null,
  changed_by_api_key text default '', updated_at timestamptz default null, id uuid default null)
returns uuid
language plpgsql security definer
set search_path = pg_catalog, pg_temp set row_security = off set TimeZone = 'UTC' as $$
#variable_conflict use_column
declare
  event_id uuid := coalesce(record.id, gen_random_uuid());
  event_time timestamptz := coalesce(record.updated_at, statement_timestamp());
  violated text;
  stored auditbox.audit_log;
  found_id uuid;
begin
  if event_time < clock_timestamp() - interval '400 days' and not pg_has_role(session_user,
      (select n.nspowner from pg_namespace n where n.nspname = 'auditbox'), 'member') then
    raise exception 'the event time of % is more than 400 days ago', event_id
      using errcode = 'check_violation', constraint = 'audit_log_occurred_at_too_old', detail = event_id::text;
  end if;
  for try in 1..3 loop
    begin
      insert into auditbox.audit_log as a (id, occurred_at, changed_by, changed_by_api_key, action, table_name, object_id,
        before_value, updated_values, context)
      values (event_id, event_time, record.changed_by, record.changed_by_api_key, record.action, record.table_name,
        record.object_id, record.before_value, record.updated_values, record.context)
      on conflict do nothing
      returning a.id into found_id;
      if found_id is not null then
        return found_id;
      end if;
      exit;
    exception
      when unique_violation then
        exit;
      when check_violation then
        get stacked diagnostics violated = constraint_name;
        if violated <> '' or try = 3 or auditbox.make_month(event_time) is null then
          raise;
        end if;
    end;
  end loop;
  select a.* into stored
  from auditbox.outbox o join auditbox.audit_log a on a.id = o.audit_id and a.occurred_at = o.occurred_at
  where o.audit_id = event_id;
  if stored.id is null then
    raise exception 'an event with the id % was recorded before, and retention removed it', event_id
      using errcode = 'unique_violation', constraint = 'outbox_audit_id', table = 'outbox', detail = event_id::text;
  end if;
  if (stored.changed_by, stored.changed_by_api_key, stored.action, stored.table_name, stored.object_id,
      stored.before_value::text::jsonb, stored.updated_values::text::jsonb, stored.context::text::jsonb)
    is distinct from (record.changed_by, record.changed_by_api_key, record.action, record.table_name, record.object_id,
      record.before_value::text::jsonb, record.updated_values::text::jsonb, record.context::text::jsonb)
    or record.updated_at <> stored.occurred_at then
    raise exception 'the id % is stored with another content', event_id
      using errcode = 'unique_violation', constraint = 'outbox_audit_id', table = 'outbox', detail = event_id::text,
            hint = 'An event never changes. Give the new event another id.';
  end if;
  return event_id;
end $$;
