-- A key has the same id in every cell, so `new_key` of create_key may have a `key_id`.
-- Locks: none.
--
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
  where k.name = new_key ->> 'name' and k.revoked_at is null and k.expires_at <= now();
  insert into auditbox.api_key as k (key_id, name, key_hash, prefix, scopes, tenant, bounds, expires_at, created_by)
  values (coalesce((new_key ->> 'key_id')::uuid, gen_random_uuid()), new_key ->> 'name', new_key ->> 'hash',
    new_key ->> 'prefix', array(select json_array_elements_text(new_key -> 'scopes')), new_key ->> 'tenant',
    coalesce(new_key -> 'bounds', '{}'), (new_key ->> 'expires_at')::timestamptz,
    coalesce(by ->> 'changed_by', session_user))
  on conflict (name) where revoked_at is null and replaced_at is null do nothing
  returning k.* into made;
  if made.id is null then
    return null;
  end if;
  perform auditbox.record_key_change('created', made.key_id, null, auditbox.describe_key(made), by);
  return made.key_id;
end $$;
