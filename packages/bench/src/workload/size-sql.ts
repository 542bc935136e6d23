/*
 * Small events over several months, for the size benchmark. They come in bursts of one hour, and a burst has the same number
 * of events in a small table and in a large one. So objects, pages of one hour and batches have the same size in both.
 */

/** Events of one hour. */
const burst = 10_000;
/** The events end now and begin this long before. */
export const spanDays = 180;

export const sizeColumns =
  'id, occurred_at, occurred_at_digits, changed_by, changed_by_api_key, action, table_name, object_id, updated_values';

const prime = { actor: 2_654_435_761, object: 1_597_334_677, action: 3_266_489_917, team: 668_265_263 } as const;
const share = (of: keyof typeof prime) => `((n::bigint * ${prime[of]}) % 4294967296 / 4294967296.0)`;

/** A `select` of events `first` to `last` of `count`, in order of time. Each is about 400 bytes as a line of NDJSON. */
export function sizeSql(first: number, last: number, count: number, until: string): string {
  const bursts = Math.ceil(count / burst);
  return `
    select uuidv7(), at, 3,
      'user' || floor(5000 * power(${share('actor')}, 6))::int || '@example.com',
      'key-' || n % 53,
      case
        when ${share('action')} < 0.001 then 'blocked' when ${share('action')} < 0.002 then 'unblocked'
        when ${share('action')} < 0.03 then 'rotated' when ${share('action')} < 0.1 then 'deleted'
        when ${share('action')} < 0.3 then 'created' else 'updated'
      end,
      (array['keys', 'teams', 'users', 'models'])[1 + n % 4],
      'object-' || floor(1000000 * power(${share('object')}, 1.5))::int,
      ('{"token":"' || md5((floor(200000 * ${share('object')}))::text) || '",'
        || case when n % 3 = 0 then '"team_id":"team-' || floor(2000 * power(${share('team')}, 4))::int || '",' else '' end
        || '"spend":' || n % 97 || '.125}')::json
    from (
      select n, date_trunc('hour', timestamptz '${until}' - interval '${spanDays} days'
          + ((n - 1) / ${burst})::float8 / ${bursts} * interval '${spanDays} days')
        + (n % ${burst}) * interval '350 milliseconds' as at
      from generate_series(${first}::bigint, ${last}::bigint) n
    ) numbered`;
}
