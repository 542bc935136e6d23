/**
 * One audit_log row `a` as its line of JSON: the form on the wire and in the objects, with a fixed order of fields.
 * Built in Postgres, so that Node never parses a value: it would cost more than everything else on the way, and
 * digits. Line breaks inside a `json` value can only stand between its tokens, so blanks may take their place.
 *
 * A change here changes the bytes of batches that are rendered but not done; the exporter notices by their hash.
 */
export const eventJson = `
  concat(
    '{"id":"', a.id,
    '","updated_at":"', left(
      to_char(a.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'),
      case a.occurred_at_digits when 0 then 19 else 20 + a.occurred_at_digits end
    ),
    'Z","changed_by":', to_json(a.changed_by),
    ',"changed_by_api_key":', to_json(a.changed_by_api_key),
    ',"action":', to_json(a.action),
    ',"table_name":', to_json(a.table_name),
    ',"object_id":', to_json(a.object_id),
    ',"before_value":', coalesce(translate(a.before_value::text, e'\\n\\r', '  '), 'null'),
    ',"updated_values":', coalesce(translate(a.updated_values::text, e'\\n\\r', '  '), 'null'),
    ',"context":', coalesce(translate(a.context::text, e'\\n\\r', '  '), 'null'),
    ',"recorded_at":"', to_char(a.recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'),
    'Z"}'
  )`;
