-- Every pause, resume and replay by the api's login is an audit event, also without a person: the login did it then. Before,
-- it could leave the event out by a null. And a key's name is unique in its tenant, so that a taken name says nothing about
-- another tenant.
-- Locks: the table api_key, for some milliseconds; requests whose key is not cached wait.
--
-- A login that has the exporter's rights changes destinations and deliveries by plain statements, too, so that only its
-- commands decide whether there is an event.
create or replace function auditbox.record_export_change(destination_name text, updated_values json, by json) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if by is null and coalesce(pg_has_role(session_user, to_regrole('auditbox_exporter')::oid, 'member'), true) then
    return;
  end if;
  perform auditbox.make_month(statement_timestamp());
  insert into auditbox.audit_log (changed_by, action, table_name, object_id, updated_values, recorded_by)
  values (coalesce(by ->> 'changed_by', session_user), 'updated', 'auditbox.destination', destination_name, updated_values,
    coalesce(by ->> 'recorded_by', 'sql:' || session_user));
end $$;
--> statement-breakpoint
-- False if there is no such destination. No event is written if nothing changes.
create or replace function auditbox.pause_destination(destination_name text, pause boolean, by json default null) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp set row_security = off set TimeZone = 'UTC' as $$
begin
  update auditbox.destination d set is_paused = pause where d.name = destination_name and d.is_paused <> pause;
  if found then
    perform auditbox.record_export_change(destination_name, json_build_object('is_paused', pause), by);
  end if;
  return exists (select from auditbox.destination d where d.name = destination_name);
end $$;
--> statement-breakpoint
-- Failed deliveries are due again, and rejected rows are put into separate batches. Returns all of these batches. A delivery
-- that failed because all of its rows were rejected gets its rows back. Nothing that is not failed or rejected any more is
-- changed. No event is written if nothing changes.
create or replace function auditbox.replay_failed(
  destination_name text, failed_ids bigint[], rejected_ids bigint[], by json default null) returns setof bigint
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
  if cardinality(again || made) > 0 then
    select sum(b.row_count - (
        select count(*) from auditbox.rejection r where r.destination = destination_name and r.batch_id = b.id))
    into rows_again from auditbox.batch b where b.id = any(again || made);
    perform auditbox.record_export_change(destination_name,
      json_build_object('replayed', json_build_object('batches', cardinality(again || made), 'events', rows_again)), by);
  end if;
  return query select unnest(again || made);
end $$;
--> statement-breakpoint
drop index auditbox.api_key_current_name;
--> statement-breakpoint
-- A name is free again when its key is revoked.
create unique index api_key_current_name on auditbox.api_key ((coalesce(tenant, '')), name)
  where revoked_at is null and replaced_at is null;
--> statement-breakpoint
-- Stores a new key and returns its id, or null if its tenant has a valid key of this name. `new_key` is {"key_id", "name",
-- "hash", "prefix", "scopes", "tenant", "bounds", "expires_at"}.
create or replace function auditbox.create_key(new_key json, by json default '{}') returns uuid
language plpgsql security definer
set search_path = pg_catalog, pg_temp set row_security = off set TimeZone = 'UTC' as $$
declare
  made auditbox.api_key;
begin
  -- Events name their writer by this id, so nobody gets the id of a key that was there before.
  if exists (select from auditbox.api_key k where k.key_id = (new_key ->> 'key_id')::uuid) then
    return null;
  end if;
  -- A key that has expired gives its name free.
  update auditbox.api_key k set revoked_at = k.expires_at, revoked_by = 'expired'
  where k.name = new_key ->> 'name' and k.tenant is not distinct from new_key ->> 'tenant'
    and k.revoked_at is null and k.expires_at <= now();
  insert into auditbox.api_key as k (key_id, name, key_hash, prefix, scopes, tenant, bounds, expires_at, created_by)
  values (coalesce((new_key ->> 'key_id')::uuid, gen_random_uuid()), new_key ->> 'name', new_key ->> 'hash',
    new_key ->> 'prefix', array(select json_array_elements_text(new_key -> 'scopes')), new_key ->> 'tenant',
    coalesce(new_key -> 'bounds', '{}'), (new_key ->> 'expires_at')::timestamptz,
    coalesce(by ->> 'changed_by', session_user))
  on conflict ((coalesce(tenant, '')), name) where revoked_at is null and replaced_at is null do nothing
  returning k.* into made;
  if made.id is null then
    return null;
  end if;
  perform auditbox.record_key_change('created', made.key_id, null, auditbox.describe_key(made), by);
  return made.key_id;
end $$;
