/** The event time of row `a` with the digits that came in. */
export const eventTime = `left(
      to_char(a.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'),
      case a.occurred_at_digits when 0 then 19 else 20 + a.occurred_at_digits end
    ) || 'Z'`;

/**
 * One audit_log row `a` as its line of JSON: the form on the wire and in the objects, with a fixed order of fields.
 * Built in Postgres, so that Node never parses a value: it would cost more than everything else on the way, and
 * digits. Joined by `||`: concat() calls an output function for each part and takes twice as long.
 *
 * A `json` value is kept as it was written, so the text of one that a plain INSERT brought may hold line breaks.
 *
 * A change here changes the bytes of batches that are rendered but not done; the exporter notices by their hash.
 */
export const eventJson = `
  '{"id":"' || a.id::text
    || '","updated_at":"' || ${eventTime}
    || '","changed_by":' || to_json(a.changed_by)::text
    || ',"changed_by_api_key":' || to_json(a.changed_by_api_key)::text
    || ',"action":' || to_json(a.action)::text
    || ',"table_name":' || to_json(a.table_name)::text
    || ',"object_id":' || to_json(a.object_id)::text
    || ',"before_value":' || coalesce(a.before_value::text, 'null')
    || ',"updated_values":' || coalesce(a.updated_values::text, 'null')
    || ',"context":' || coalesce(a.context::text, 'null')
    || ',"recorded_at":"' || to_char(a.recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    || '"}'`;

/**
 * The same on one line: line breaks can only stand between the tokens of a value, so blanks may take their place. The
 * look at every character takes three times as long as all the rest.
 */
export const eventLine = `translate(${eventJson}, e'\\n\\r', '  ')`;
