/** The event time of row `a`, with the fraction digits that the caller sent. */
export const eventTime = `left(
      to_char(a.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'),
      case a.occurred_at_digits when 0 then 19 else 20 + a.occurred_at_digits end
    ) || 'Z'`;

/**
 * The row `a` of audit_log as a line of JSON, in the form of the wire and of the objects, with a fixed order of fields.
 * Built in Postgres so that Node never parses a value. Parsing would cost more than the rest of the export and would lose
 * digits of large numbers. Joined by `||`, because concat() calls an output function for each part and takes twice as long.
 * Each `||` copies its left side, so the large values are joined to few others.
 *
 * Postgres keeps the text of a `json` value, so a value that a plain INSERT wrote may contain line breaks.
 *
 * A change here changes the bytes of batches that are rendered but not done. The exporter detects that by their hash.
 */
export const eventJson = `
  ('{"id":"' || a.id::text
    || '","updated_at":"' || ${eventTime}
    || '","changed_by":' || to_json(a.changed_by)::text
    || ',"changed_by_api_key":' || to_json(a.changed_by_api_key)::text
    || ',"action":' || to_json(a.action)::text
    || ',"table_name":' || to_json(a.table_name)::text
    || ',"object_id":' || to_json(a.object_id)::text
    || ',"before_value":') || coalesce(a.before_value::text, 'null')
  || (',"updated_values":' || coalesce(a.updated_values::text, 'null'))
  || (',"context":' || coalesce(a.context::text, 'null')
    || ',"recorded_at":"' || to_char(a.recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    || '","recorded_by":' || to_json(a.recorded_by)::text
    || case when a.tenant = '' then '' else ',"tenant":' || to_json(a.tenant)::text end
    || coalesce(',"redacted":' || a.redacted::text, '')
    || '}')`;
