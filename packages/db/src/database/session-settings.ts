/** Settings of a session, by their names in Postgres. */
export type SessionSettings = Readonly<Record<string, string>>;

/**
 * What all our statements depend on, whatever the server, the database or the role has as its default. No schema is in the
 * path in which another login may create something: every name in a statement has its schema.
 */
export const commonSettings: SessionSettings = {
  // In front of the path, because it decides how that is kept.
  quote_all_identifiers: 'off',
  search_path: 'pg_catalog, pg_temp',
  // Without this a policy hides rows in silence. With it, a statement that a policy would filter fails.
  row_security: 'off',
  TimeZone: 'UTC',
  DateStyle: 'ISO, YMD',
  IntervalStyle: 'postgres',
  standard_conforming_strings: 'on',
  client_encoding: 'UTF8',
  extra_float_digits: '1',
  bytea_output: 'hex',
  array_nulls: 'on',
  transform_null_equals: 'off',
  // With a limit, the index of words returns some of the matches.
  gin_fuzzy_search_limit: '0',
  // Our statements are short, however high the planner puts their cost. Compiling one needs seconds.
  jit: 'off',
  default_transaction_isolation: 'read committed',
  default_transaction_deferrable: 'off',
  // A pool keeps idle connections, and an event that is refused must not cost the connection.
  idle_session_timeout: '0',
  exit_on_error: 'off',
};

/**
 * Sets transaction_timeout to 0, in a session or in a transaction, where the server knows it. Servers before 17 refuse the
 * connection that names it at its start.
 */
export function allowLongTransactions(scope: 'session' | 'transaction'): string {
  return `select pg_catalog.set_config('transaction_timeout', '0', ${scope === 'transaction'})
    where pg_catalog.current_setting('server_version_num')::pg_catalog.int4 >= 170000`;
}

/** The statements that set them for a transaction. Behind a pooler in transaction mode nothing else reaches the session. */
export function setLocally(settings: SessionSettings): string {
  const statements = Object.entries(settings).map(
    ([name, value]) => `set local ${name} = ${name === 'search_path' ? value : `'${value.replaceAll("'", "''")}'`}`,
  );
  // Last: it is a query, and a query needs the path.
  return [...statements, allowLongTransactions('transaction')].join('; ');
}
