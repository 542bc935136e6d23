-- The event of a change to a key that is bound to a tenant has this tenant, as the events of its reads and of its denied requests
-- have. Before, such an event had no tenant, so a reader of the tenant did not find it. No function changes the tenant of a key. A key
-- that is bound to no tenant has events of no tenant. Events that are stored keep what they have.
-- Caller: create_key, rotate_key and revoke_key.
-- Locks: none.
-- Crash: the change of the key and its event are stored, or neither.
--
create or replace function auditbox.record_key_change(act text, key_id uuid, before_value json, updated_values json, by json)
returns void
language plpgsql set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
declare
  whose text := coalesce(coalesce(updated_values, before_value) ->> 'tenant', '');
  -- Those that the trigger of audit_log refuses.
  odd_characters constant text :=
    '[\u0001-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]';
begin
  -- A statement may have stored a key with a tenant that no event can have. Such a key can be revoked, too.
  if whose ~ odd_characters then
    whose := '';
  end if;
  perform auditbox.make_month(statement_timestamp());
  insert into auditbox.audit_log (changed_by, action, table_name, object_id, before_value, updated_values, recorded_by, tenant)
  values (coalesce(by ->> 'changed_by', session_user), act, auditbox.own_table('api_key'), key_id::text, before_value, updated_values,
    coalesce(by ->> 'recorded_by', 'sql:' || session_user), whose);
end $$;
