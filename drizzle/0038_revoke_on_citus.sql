-- The name of who revokes a key is in a variable, because Citus allows no session_user in COALESCE of an update.
-- Locks: none.
create or replace function auditbox.revoke_key(old_key_id uuid, by json default '{}') returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp set row_security = off set TimeZone = 'UTC' as $$
declare
  old auditbox.api_key;
  who constant text := coalesce(by ->> 'changed_by', session_user);
begin
  perform from auditbox.api_key k where k.key_id = old_key_id order by k.created_at, k.id for update;
  select k.* into old from auditbox.api_key k
  where k.key_id = old_key_id and k.revoked_at is null and k.replaced_at is null for update;
  if old.id is null then
    return false;
  end if;
  update auditbox.api_key k set revoked_at = now(), revoked_by = who
  where k.key_id = old_key_id and k.revoked_at is null;
  perform auditbox.record_key_change('deleted', old.key_id, auditbox.describe_key(old), null, by);
  return true;
end $$;
