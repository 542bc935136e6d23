/**
 * A row `e` of the workload as the JSON object in the queues, with the fields of our export lines. `to_char` prints the
 * three fraction digits that the workload has.
 */
export const eventObject = `
  json_build_object(
    'id', e.id,
    'updated_at', to_char(e.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'changed_by', e.changed_by,
    'changed_by_api_key', e.changed_by_api_key,
    'action', e.action,
    'table_name', e.table_name,
    'object_id', e.object_id,
    'before_value', e.before_value,
    'updated_values', e.updated_values,
    'context', e.context,
    'recorded_at', to_char(statement_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
  )`;
