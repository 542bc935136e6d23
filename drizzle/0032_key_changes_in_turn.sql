-- A rotation that ran at the same moment as a revocation, or as another rotation, made the second one report that there is no such
-- key: it had waited for a row that was replaced when it got it. The new secret stayed valid. Now each change of a key locks all
-- of its rows first, the oldest one before the others, and then reads which of them is the newest.
-- Locks: none beyond those functions, for some milliseconds.
--
-- False if there is no valid key with this id.
create or replace function auditbox.rotate_key(old_key_id uuid, new_key json, overlap_s double precision, by json default '{}')
returns boolean language plpgsql security definer set search_path = pg_catalog, pg_temp set row_security = off
set TimeZone = 'UTC' as $$
declare
  old auditbox.api_key;
  made auditbox.api_key;
begin
  perform from auditbox.api_key k where k.key_id = old_key_id order by k.created_at, k.id for update;
  select k.* into old from auditbox.api_key k
  where k.key_id = old_key_id and k.revoked_at is null and k.replaced_at is null and coalesce(k.expires_at > now(), true)
  for update;
  if old.id is null then
    return false;
  end if;
  update auditbox.api_key k
  set replaced_at = now(), expires_at = least(k.expires_at, now() + overlap_s * interval '1 second')
  where k.id = old.id;
  insert into auditbox.api_key as k (key_id, name, key_hash, prefix, scopes, tenant, bounds, expires_at, created_by)
  values (old.key_id, old.name, new_key ->> 'hash', new_key ->> 'prefix', old.scopes, old.tenant, old.bounds,
    old.expires_at, coalesce(by ->> 'changed_by', session_user))
  returning k.* into made;
  perform auditbox.record_key_change('rotated', old.key_id, auditbox.describe_key(old), auditbox.describe_key(made), by);
  return true;
end $$;
--> statement-breakpoint
-- False if there is no valid key with this id.
create or replace function auditbox.revoke_key(old_key_id uuid, by json default '{}')
returns boolean language plpgsql security definer set search_path = pg_catalog, pg_temp set row_security = off
set TimeZone = 'UTC' as $$
declare
  old auditbox.api_key;
begin
  perform from auditbox.api_key k where k.key_id = old_key_id order by k.created_at, k.id for update;
  select k.* into old from auditbox.api_key k
  where k.key_id = old_key_id and k.revoked_at is null and k.replaced_at is null for update;
  if old.id is null then
    return false;
  end if;
  update auditbox.api_key k set revoked_at = now(), revoked_by = coalesce(by ->> 'changed_by', session_user)
  where k.key_id = old_key_id and k.revoked_at is null;
  perform auditbox.record_key_change('deleted', old.key_id, auditbox.describe_key(old), null, by);
  return true;
end $$;
