-- Keys with an age, a tenant and bounds, and the functions that change them. Each change is an audit event in the same
-- transaction.
-- Locks: the table api_key, for some milliseconds; requests whose key is not cached wait.
--
alter table auditbox.api_key
  drop constraint api_key_name,
  drop constraint api_key_scopes,
  add column key_id uuid,
  add column prefix text not null default '',
  add column tenant text,
  add column bounds json not null default '{}',
  add column created_by text not null default '',
  add column expires_at timestamptz(6),
  add column replaced_at timestamptz(6),
  add column revoked_by text,
  add column last_used_at timestamptz(6),
  add column last_used_address text,
  add constraint api_key_scopes check (
    scopes <@ array['read', 'write', 'admin', 'audit:read', 'audit:write', 'export:read', 'export:replay', 'keys:admin']
    and cardinality(scopes) > 0);
--> statement-breakpoint
-- Keys that exist go on as they are: they may name any API key as the author of a change.
update auditbox.api_key set key_id = id, bounds = '{"signs_keys":true}';
--> statement-breakpoint
alter table auditbox.api_key alter column key_id set not null;
--> statement-breakpoint
create index api_key_key_id on auditbox.api_key (key_id);
--> statement-breakpoint
-- A name is free again when its key is revoked.
create unique index api_key_current_name on auditbox.api_key (name) where revoked_at is null and replaced_at is null;
--> statement-breakpoint
-- A key as its events show it: everything except the hash.
create function auditbox.describe_key(k auditbox.api_key) returns json
language sql stable set search_path = pg_catalog, pg_temp
return json_build_object('name', k.name, 'prefix', k.prefix, 'scopes', k.scopes, 'tenant', k.tenant, 'bounds', k.bounds,
  'expires_at', k.expires_at, 'revoked_at', k.revoked_at);
--> statement-breakpoint
-- The event of a change to a key. `by` is {"changed_by", "recorded_by"}: the api names its caller; from a command both are
-- the login.
create function auditbox.record_key_change(act text, key_id uuid, before_value json, updated_values json, by json)
returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform auditbox.make_month(statement_timestamp());
  insert into auditbox.audit_log (changed_by, action, table_name, object_id, before_value, updated_values, recorded_by)
  values (coalesce(by ->> 'changed_by', session_user), act, 'auditbox.api_key', key_id::text, before_value, updated_values,
    coalesce(by ->> 'recorded_by', 'sql:' || session_user));
end $$;
--> statement-breakpoint
-- Stores a new key and returns its id, or null if the name is in use. `new_key` is {"name", "hash", "prefix", "scopes",
-- "tenant", "bounds", "expires_at"}.
create function auditbox.create_key(new_key json, by json default '{}') returns uuid
language plpgsql security definer
set search_path = pg_catalog, pg_temp set row_security = off set TimeZone = 'UTC' as $$
declare
  made auditbox.api_key;
begin
  -- A key that has expired gives its name free.
  update auditbox.api_key k set revoked_at = k.expires_at, revoked_by = 'expired'
  where k.name = new_key ->> 'name' and k.revoked_at is null and k.expires_at <= now();
  insert into auditbox.api_key as k (key_id, name, key_hash, prefix, scopes, tenant, bounds, expires_at, created_by)
  values (gen_random_uuid(), new_key ->> 'name', new_key ->> 'hash', new_key ->> 'prefix',
    array(select json_array_elements_text(new_key -> 'scopes')), new_key ->> 'tenant', coalesce(new_key -> 'bounds', '{}'),
    (new_key ->> 'expires_at')::timestamptz, coalesce(by ->> 'changed_by', session_user))
  on conflict (name) where revoked_at is null and replaced_at is null do nothing
  returning k.* into made;
  if made.id is null then
    return null;
  end if;
  perform auditbox.record_key_change('created', made.key_id, null, auditbox.describe_key(made), by);
  return made.key_id;
end $$;
--> statement-breakpoint
-- Gives a key a new secret with the same rights; the old one expires after the overlap. False if there is no valid key.
create function auditbox.rotate_key(old_key_id uuid, new_key json, overlap_s double precision, by json default '{}')
returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp set row_security = off set TimeZone = 'UTC' as $$
declare
  old auditbox.api_key;
  made auditbox.api_key;
begin
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
-- Ends a key with all its secrets. False if there is no valid key.
create function auditbox.revoke_key(old_key_id uuid, by json default '{}') returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp set row_security = off set TimeZone = 'UTC' as $$
declare
  old auditbox.api_key;
begin
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
--> statement-breakpoint
-- When and from where keys were used: [{"id", "at", "address"}]. Never goes back.
create function auditbox.note_key_use(uses json) returns void
language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
  update auditbox.api_key k set last_used_at = u.at, last_used_address = u.address
  from json_to_recordset(uses) as u (id uuid, at timestamptz, address text)
  where k.id = u.id and (k.last_used_at is null or k.last_used_at < u.at);
end;
--> statement-breakpoint
revoke all on function auditbox.describe_key(auditbox.api_key), auditbox.record_key_change(text, uuid, json, json, json),
  auditbox.create_key(json, json), auditbox.rotate_key(uuid, json, double precision, json), auditbox.revoke_key(uuid, json),
  auditbox.note_key_use(json) from public;
