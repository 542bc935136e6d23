import type { Fragment, Sql } from 'postgres';

/** Ids as a sub-select, for `id in (…)`. They are one text parameter, because the driver knows no array types here. */
export function idsIn(sql: Sql, ids: readonly string[]): Fragment {
  return sql`select value::bigint from json_array_elements_text(${JSON.stringify(ids)}::text::json)`;
}
