-- What Postgres holds and others cannot read: the JSON escape \u0000, which Postgres itself cannot turn into text, and a
-- surrogate without its partner, which DuckDB and jq refuse. Regular expressions, so that the time is linear in the text.
create function auditbox.is_unreadable(value json) returns boolean
language sql immutable parallel safe
return strpos(value::text, '\u') > 0 and (
  -- An escaped backslash in front of a u is no escape of a character.
  regexp_replace(value::text, '\\\\', '', 'g')
    ~ '\\u0000|\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F]'
);
--> statement-breakpoint
-- The path to the first unreadable text in a value, for a message: `updated_values.notes[3]`. Only called for a value that
-- has one; follows 32 levels. Postgres reads no member of such a value, so it walks over a copy with a mark instead.
create function auditbox.path_to_unreadable(value json, path text) returns text
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
  mark constant text := '!unreadable!';
  here json := regexp_replace(regexp_replace(value::text, '\\\\', '\\/', 'g'),
    '\\u0000|\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}',
    mark, 'g')::json;
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
-- The words and numbers in an event's values, for `q`: an immutable form that an index can hold. Values of more than
-- 200 kB together might exceed what a tsvector can hold. They get one mark, and a query reads their text.
create function auditbox.audit_words(before_value json, updated_values json, context json) returns tsvector
language sql immutable parallel safe
return case
  when coalesce(octet_length(before_value::text), 0) + coalesce(octet_length(updated_values::text), 0)
    + coalesce(octet_length(context::text), 0) > 200000 then '''audit:large'''::tsvector
  else json_to_tsvector(
    'pg_catalog.simple'::regconfig,
    ('[' || coalesce(before_value::text, 'null') || ',' || coalesce(updated_values::text, 'null') || ','
      || coalesce(context::text, 'null') || ']')::json,
    '["string", "numeric"]'
  )
end;
--> statement-breakpoint
-- Upper bound of the bytes of an event's line: 261 are its names, punctuation, id, times at full length and newline. The
-- texts are escaped together: one call costs a fifth of five.
create function auditbox.line_bytes(texts text, before_value json, updated_values json, context json) returns integer
language sql stable parallel safe
return least(2147483647, 259::bigint + octet_length(to_json(texts)::text) + coalesce(octet_length(before_value::text), 4)
  + coalesce(octet_length(updated_values::text), 4) + coalesce(octet_length(context::text), 4))::integer;
