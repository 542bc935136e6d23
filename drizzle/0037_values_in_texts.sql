-- A filter by a place in a value looks into LiteLLM's values, which are JSON text inside a JSON string.
-- Locks: none.
--
-- What is at a path of JSON text inside a JSON string: as `#>>` returns it, and JSON's null as its text. The text may be inside a
-- string again, three times at most. Null if there is no such place, or if the text is not JSON. No text makes it raise an error,
-- because one row would fail every list that comes by it. pg_input_is_valid is not in Postgres 15.
create function auditbox.value_in_text(value json, path text[]) returns text
language plpgsql immutable strict
set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
declare
  inner_value json := value;
  is_json boolean := false;
  plain json;
begin
  for level in 1..3 loop
    exit when json_typeof(inner_value) <> 'string';
    inner_value := (inner_value #>> '{}')::json;
  end loop;
  is_json := true;
  return coalesce(inner_value #>> path, (inner_value #> path)::text);
exception when others then
  if not is_json then
    return null;
  end if;
  begin
    -- As member_in_text does: Postgres reads nothing of a value that has \u0000 or half of a surrogate pair anywhere.
    plain := replace(replace(replace(replace(inner_value::text, '\\', '\u005c'), '\u0000', '\ufffd'), '\ud', '\u1'), '\uD', '\u1');
    return coalesce(plain #>> path, (plain #> path)::text);
  exception when others then
    return null;
  end;
end $$;
--> statement-breakpoint
revoke execute on function auditbox.value_in_text(json, text[]) from public;
