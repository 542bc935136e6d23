/*
 * The events of a year, for the read benchmark. A few actors make most of the changes, a few objects get most of them, and
 * some actions are rare. All values are computed from the row number, so that a row is the same in each run.
 */

const prime = { actor: 2_654_435_761, object: 1_597_334_677, action: 3_266_489_917, team: 668_265_263 } as const;
const share = (of: keyof typeof prime) => `((n::bigint * ${prime[of]}) % 4294967296 / 4294967296.0)`;

export const columns =
  'id, occurred_at, occurred_at_digits, recorded_at, changed_by, changed_by_api_key, action, table_name, object_id, before_value, updated_values, context';

/** A `select` of rows `first` to `last` of `count`, spread over the year that ends at `until`. */
export function recordSql(first: number, last: number, count: number, until: string): string {
  const token = `'"token":"' || md5((floor(200000 * ${share('object')}))::text) || '",'`;
  const team = `case when n % 3 = 0 then '"team_id":"team-' || floor(2000 * power(${share('team')}, 4))::int || '",' else '' end`;
  const value = (salt: string) => `(
    '{"spend":' || (n % 97)${salt} || '.125,' || ${token} || ${team}
    || '"models":["gpt-5","claude-5"],"metadata":{"ticket":"OPS-' || n % 100000 || '"},"key_name":"sk-...xpQ","policies":[],'
    || '"key_alias":"alias-' || n % 1009 || '","created_at":"2026-07-03T11:44:05.842000Z","auto_rotate":false,'
    || '"permissions":{},"max_budget":' || n % 500 || ',"rotation_count":' || n % 7 || '}')::json`;
  return `
    select uuidv7(), at, 3, at + interval '20 milliseconds',
      'user' || floor(5000 * power(${share('actor')}, 6))::int || '@example.com',
      md5('key-' || n % 53),
      case
        when ${share('action')} < 0.001 then 'blocked' when ${share('action')} < 0.002 then 'unblocked'
        when ${share('action')} < 0.03 then 'rotated' when ${share('action')} < 0.1 then 'deleted'
        when ${share('action')} < 0.3 then 'created' else 'updated'
      end,
      (array['LiteLLM_VerificationToken', 'LiteLLM_TeamTable', 'LiteLLM_UserTable', 'LiteLLM_ProxyModelTable'])[1 + n % 4],
      'object-' || floor(1000000 * power(${share('object')}, 1.5))::int,
      ${value('')}, ${value(' + 1')}, null
    from (
      select n, date_trunc('milliseconds', timestamptz '${until}' - ${count}::float8 / ${count} * interval '365 days'
        + n::float8 / ${count} * interval '365 days') as at
      from generate_series(${first}, ${last}) n
    ) numbered`;
}
