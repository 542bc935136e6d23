-- Makers of months wait for each other at a row that only the owner may lock. Any login may take an advisory lock, and so
-- could keep every month from being made.
-- Locks: nothing that a reader or writer waits for.
--
create or replace function auditbox.make_month(at timestamptz) returns boolean
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
  perform from auditbox.migration where tag = '0004_months' for update;
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
  begin
    execute format(
      'create table auditbox.%I (like auditbox.audit_log including defaults including constraints including generated) with (
        autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05)', month_name);
  exception when duplicate_table then
    raise exception 'the month % was made after this transaction took its snapshot', month_name
      using errcode = 'serialization_failure', hint = 'Run the transaction again.';
  end;
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
