-- Pause, resume and replay by the api. Each change is an audit event in the same transaction.
-- Locks: nothing.
--
create function auditbox.record_export_change(destination_name text, updated_values json, by json) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform auditbox.make_month(statement_timestamp());
  insert into auditbox.audit_log (changed_by, action, table_name, object_id, updated_values, recorded_by)
  values (coalesce(by ->> 'changed_by', session_user), 'updated', 'auditbox.destination', destination_name, updated_values,
    coalesce(by ->> 'recorded_by', 'sql:' || session_user));
end $$;
--> statement-breakpoint
revoke execute on function auditbox.record_export_change(text, json, json) from public;
--> statement-breakpoint
-- False if there is no such destination. No event is written if nothing changes or `by` is null.
create function auditbox.pause_destination(destination_name text, pause boolean, by json default null) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp set row_security = off set TimeZone = 'UTC' as $$
begin
  update auditbox.destination d set is_paused = pause where d.name = destination_name and d.is_paused <> pause;
  if found and by is not null then
    perform auditbox.record_export_change(destination_name, json_build_object('is_paused', pause), by);
  end if;
  return exists (select from auditbox.destination d where d.name = destination_name);
end $$;
--> statement-breakpoint
revoke execute on function auditbox.pause_destination(text, boolean, json) from public;
--> statement-breakpoint
-- Failed deliveries are due again, and rejected rows are put into separate batches. Returns all of these batches. A delivery
-- that failed because all of its rows were rejected gets its rows back. Nothing that is not failed or rejected any more is
-- changed. No event is written if `by` is null.
create function auditbox.replay_failed(destination_name text, failed_ids bigint[], rejected_ids bigint[], by json default null)
returns setof bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp set row_security = off set TimeZone = 'UTC' as $$
declare
  again bigint[];
  made bigint[];
  rows_again bigint;
begin
  perform from auditbox.delivery d
  where d.destination = destination_name and d.state = 'failed' and d.batch_id = any(failed_ids)
  order by d.batch_id for update;
  again := array(
    select d.batch_id from auditbox.delivery d
    where d.destination = destination_name and d.state = 'failed' and d.batch_id = any(failed_ids));
  -- Rejections go only while their delivery is failed, so the delete comes first.
  delete from auditbox.rejection r
  using auditbox.batch b
  where r.destination = destination_name and r.batch_id = any(again) and b.id = r.batch_id
    and b.row_count = (
      select count(*) from auditbox.rejection o where o.destination = destination_name and o.batch_id = b.id);
  update auditbox.delivery d set state = 'sealed', next_attempt_at = statement_timestamp()
  where d.destination = destination_name and d.batch_id = any(again);
  made := array(select auditbox.replay_rejections(destination_name, rejected_ids));
  if by is not null and cardinality(again || made) > 0 then
    select sum(b.row_count - (
        select count(*) from auditbox.rejection r where r.destination = destination_name and r.batch_id = b.id))
    into rows_again from auditbox.batch b where b.id = any(again || made);
    perform auditbox.record_export_change(destination_name,
      json_build_object('replayed', json_build_object('batches', cardinality(again || made), 'events', rows_again)), by);
  end if;
  return query select unnest(again || made);
end $$;
--> statement-breakpoint
revoke execute on function auditbox.replay_failed(text, bigint[], bigint[], json) from public;
