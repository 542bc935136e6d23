-- Finds events by LiteLLM's team and key where the values are JSON text inside a JSON string. The generated columns team_id,
-- former_team_id, key_hash and former_key_hash do not have these members, and to change the columns would write all months again.
-- Locks: nothing that a writer waits for, except the moment in which each index is declared. Each month is read once for each
-- of four indexes, while everybody reads and writes.
--
-- Step: transaction
-- Locks: none.
--
-- The member of an object that is JSON text inside a JSON string, as `->>` returns it. The text may be inside a string again, three
-- times at most. Null if there is no such member. Indexes call it with the rights of the login that inserts, and no value may make an
-- insert fail, so no text makes it raise an error. pg_input_is_valid is not in Postgres 15. By default it is not parallel safe, as
-- a function with an exception block must not be.
create function auditbox.member_in_text(value json, name text) returns text
language plpgsql immutable strict
set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
declare
  inner_value json := value;
  is_json boolean := false;
  plain text;
begin
  -- As the generated columns do: a name that is written with escapes is not found. Only a string has JSON text in it.
  if json_typeof(value) <> 'string' or strpos(value::text, name) = 0 then
    return null;
  end if;
  for level in 1..3 loop
    inner_value := (inner_value #>> '{}')::json;
    exit when json_typeof(inner_value) <> 'string';
  end loop;
  if strpos(inner_value::text, '"' || name || '"') = 0 then
    return null;
  end if;
  is_json := true;
  return inner_value ->> name;
exception when others then
  if not is_json then
    return null;
  end if;
  begin
    -- Postgres reads no member of an object that has \u0000 or half of a surrogate pair anywhere. All escapes of these become others.
    -- Not by a regular expression that looks for halves: its time grows with the square of their number.
    plain := replace(replace(inner_value::text, '\\', '\u005c'), '\u0000', '\ufffd');
    return replace(replace(plain, '\ud', '\u1'), '\uD', '\u1')::json ->> name;
  exception when others then
    return null;
  end;
end $$;
--> statement-breakpoint
-- Step: transaction
-- Locks: none.
--
-- What it did. A text of a megabyte of backslashes took a second.
create or replace function auditbox.is_unreadable(value json) returns boolean
language sql immutable parallel safe
return strpos(value::text, '\u') > 0 and (
  -- An escaped backslash in front of a u is no escape of a character.
  replace(value::text, '\\', '')
    ~ '\\u0000|\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F]'
);
--> statement-breakpoint
-- Step: transaction
-- Locks: none.
--
-- What it did. Each half of a surrogate pair was found by a look behind, so that the time grew with the square of their number: the
-- refusal of a megabyte of them did not end within 20 s. Now the pairs are taken out first.
create or replace function auditbox.path_to_unreadable(value json, path text) returns text
language plpgsql immutable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
declare
  mark constant text := '!unreadable!';
  here json := regexp_replace(regexp_replace(replace(value::text, '\\', '\/'),
    '\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}', '', 'g'),
    '\\u0000|\\u[dD][89a-fA-F][0-9a-fA-F]{2}', mark, 'g')::json;
  step record;
begin
  for level in 1..32 loop
    if json_typeof(here) = 'object' then
      select '.' || key as name, element into step
      from json_each(here) as each (key, element) where strpos(element::text, mark) > 0 limit 1;
    elsif json_typeof(here) = 'array' then
      select '[' || place - 1 || ']' as name, element into step
      from json_array_elements(here) with ordinality as each (element, place) where strpos(element::text, mark) > 0 limit 1;
    else
      return path;
    end if;
    -- No element: the name of a member is unreadable.
    exit when not found;
    path := path || step.name;
    here := step.element;
  end loop;
  return path;
end $$;
--> statement-breakpoint
-- Step: transaction
-- Locks: none.
grant execute on function auditbox.member_in_text(json, text) to public;
--> statement-breakpoint
-- The team of updated_values. Not the one that former_team_id has: an event is in one of the four indexes of a team at most once for
-- each team, so that a list can be merged from them.
--
-- Step: months
-- Locks: audit_log until the transactions that write now have ended, two seconds at most; then nothing that a writer waits for.
create index audit_log_team_id_in_text on auditbox.audit_log
  (nullif(left(auditbox.member_in_text(updated_values, 'team_id'), 512), former_team_id) collate "C", occurred_at, id)
where json_typeof(updated_values) = 'string' and strpos(updated_values::text, 'team_id') > 0;
--> statement-breakpoint
-- The team of before_value, where it differs from that of updated_values.
--
-- Step: months
-- Locks: audit_log until the transactions that write now have ended, two seconds at most; then nothing that a writer waits for.
create index audit_log_former_team_id_in_text on auditbox.audit_log
  (nullif(nullif(left(auditbox.member_in_text(before_value, 'team_id'), 512), team_id),
    left(auditbox.member_in_text(updated_values, 'team_id'), 512)) collate "C", occurred_at, id)
where json_typeof(before_value) = 'string' and strpos(before_value::text, 'team_id') > 0;
--> statement-breakpoint
-- Step: months
-- Locks: audit_log until the transactions that write now have ended, two seconds at most; then nothing that a writer waits for.
create index audit_log_key_hash_in_text on auditbox.audit_log
  (nullif(left(auditbox.member_in_text(updated_values, 'token'), 512), former_key_hash) collate "C", occurred_at, id)
where json_typeof(updated_values) = 'string' and strpos(updated_values::text, 'token') > 0;
--> statement-breakpoint
-- Step: months
-- Locks: audit_log until the transactions that write now have ended, two seconds at most; then nothing that a writer waits for.
create index audit_log_former_key_hash_in_text on auditbox.audit_log
  (nullif(nullif(left(auditbox.member_in_text(before_value, 'token'), 512), key_hash),
    left(auditbox.member_in_text(updated_values, 'token'), 512)) collate "C", occurred_at, id)
where json_typeof(before_value) = 'string' and strpos(before_value::text, 'token') > 0;
