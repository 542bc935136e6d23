/**
 * A `select` of audit events with the numbers `first` to `last`, in the columns of audit_log. Each is about a kilobyte as
 * a line of NDJSON. There are twenty per second of event time, starting on a past morning. A few actors make most of the
 * changes. The parameters are SQL expressions.
 */
export function eventsSql(first: string, last: string): string {
  return `
  select
    uuidv7() as id,
    timestamptz '2026-07-03 08:00:00+00' + n * interval '50 milliseconds' as occurred_at,
    3::smallint as occurred_at_digits,
    'user' || floor(1000 * power(n % 997 / 997.0, 4))::int || '@example.com' as changed_by,
    encode(sha256(int8send(n % 53)), 'hex') as changed_by_api_key,
    (array['created', 'updated', 'updated', 'updated', 'deleted', 'blocked'])[1 + n % 6] as action,
    (array['LiteLLM_VerificationToken', 'LiteLLM_TeamTable', 'LiteLLM_UserTable'])[1 + n % 3] as table_name,
    encode(sha256(int8send(n % 20011)), 'hex') as object_id,
    format($json$${valuesJson}$json$, n % 97, encode(sha256(int8send(n)), 'hex'), n % 7)::json as before_value,
    format($json$${valuesJson}$json$, n % 89, encode(sha256(int8send(n)), 'hex'), n % 5)::json as updated_values,
    null::json as context
  from generate_series(${first}, ${last}) as n`;
}

/** The shape of LiteLLM's keys. The placeholders are numbers and a hash. */
const valuesJson =
  '{"spend":%1$s.125,"token":"%2$s","models":["gpt-5","claude-5"],"metadata":{},"key_name":"sk-...%3$sxpQ","policies":[],' +
  '"key_alias":"team-%3$s","created_at":"2026-07-03T11:44:05.842000Z","auto_rotate":false,"permissions":{},' +
  '"max_budget":10%1$s,"rotation_count":%3$s}';
