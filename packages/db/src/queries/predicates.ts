import type { Fragment, Sql } from 'postgres';
import type { ValueAt } from './event-filter.ts';

/* Conditions on a row `a` of audit_log. */

/** As the index of words has it, where there is one: `npm run migrate -- --search-index on`. */
const words = 'audit_words(a.before_value, a.updated_values, a.context)';

/** One of many values; the server splits the text of an array. */
export function isIn(sql: Sql, column: string, values: readonly string[]): Fragment {
  return sql`a.${sql(column)} = any(${arrayText(values)}::text::text[])`;
}

/** The column compares by bytes, so an index serves it. */
export function startsWith(sql: Sql, column: string, prefix: string): Fragment {
  return sql`a.${sql(column)} ^@ ${prefix}::text`;
}

/** Columns made of a member at the top of the values. */
export const memberColumns = {
  team_id: 'team_id',
  former_team_id: 'team_id',
  key_hash: 'token',
  former_key_hash: 'token',
} as const;

/** What the columns hold of a long text, in characters. */
const heldLength = 512;

/** Whether a column made of a member is this. */
export function memberIs(sql: Sql, column: keyof typeof memberColumns, value: string): Fragment {
  if ([...value].length < heldLength) return sql`a.${sql(column)} = ${value}`;
  const member = memberColumns[column];
  return sql`a.${sql(column)} = left(${value}::text, ${heldLength})
    and (a.updated_values ->> ${member} = ${value} or a.before_value ->> ${member} = ${value})`;
}

/** Whether a value inside is this, exactly. No index: rows are looked at in the order of the list. */
export function isValueAt(sql: Sql, { column, path, equals }: ValueAt): Fragment {
  const at = sql`${arrayText(path)}::text::text[]`;
  // JSON's null has no text for `#>>`, like what is missing.
  if (equals === 'null') return sql`coalesce(a.${sql(column)} #>> ${at}, (a.${sql(column)} #> ${at})::text) = 'null'`;
  return sql`a.${sql(column)} #>> ${at} = ${equals}`;
}

/**
 * Whether every word stands somewhere in the values, in whatever case. Of values that are too large for the index any
 * text that contains it counts as the word.
 */
export function holdsWords(sql: Sql, text: string): Fragment {
  const inText = text
    .split(/\s+/)
    .filter((word) => word !== '')
    .map(
      (word) =>
        sql`strpos(lower(concat_ws(' ', a.before_value::text, a.updated_values::text, a.context::text)), lower(${word})) > 0`,
    )
    .reduce((all, one) => sql`${all} and ${one}`);
  return sql`(${sql.unsafe(words)} @@ (plainto_tsquery('pg_catalog.simple', ${text}) || '''audit:large''')
    and case when ${sql.unsafe(words)} @@ '''audit:large''' then ${inText} else true end)`;
}

/** The text of a Postgres array. */
function arrayText(values: readonly string[]): string {
  return `{${values.map((value) => `"${value.replace(/["\\]/g, '\\$&')}"`).join()}}`;
}
