import type { Fragment, Sql } from 'postgres';
import type { ValueAt } from './event-filter.ts';

/* Conditions on a row `a` of audit_log. */

/** As the index of words has it. */
const words = 'audit_words(a.before_value, a.updated_values, a.context)';

/** One of many values; the server splits the text of an array. */
export function isIn(sql: Sql, column: string, values: readonly string[]): Fragment {
  return sql`a.${sql(column)} = any(${arrayText(values)}::text::text[])`;
}

/** The column compares by bytes, so an index serves it. */
export function startsWith(sql: Sql, column: string, prefix: string): Fragment {
  return sql`a.${sql(column)} ^@ ${prefix}::text`;
}

/** Whether a member at the top of one of the two values is this, exactly. */
export function memberIs(sql: Sql, name: string, value: string): Fragment {
  return sql`(${mayHold(sql, value)} and (a.before_value ->> ${name} = ${value} or a.updated_values ->> ${name} = ${value}))`;
}

/** Whether a value inside is this, exactly. */
export function isValueAt(sql: Sql, { column, path, equals }: ValueAt): Fragment {
  const at = sql`${arrayText(path)}::text::text[]`;
  // JSON's null has no text for `#>>`, like what is missing.
  if (equals === 'null') return sql`coalesce(a.${sql(column)} #>> ${at}, (a.${sql(column)} #> ${at})::text) = 'null'`;
  const isSo = sql`a.${sql(column)} #>> ${at} = ${equals}`;
  // The index holds no booleans and no nulls.
  return /^(true|false)$|^[[{]/.test(equals) ? isSo : sql`(${mayHold(sql, equals)} and ${isSo})`;
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

/**
 * Whether the values may hold a text: what the index of words can tell. A text without any word in it may be anywhere.
 */
function mayHold(sql: Sql, text: string): Fragment {
  const query = sql`plainto_tsquery('pg_catalog.simple', ${text})`;
  return sql`(numnode(${query}) = 0 or ${sql.unsafe(words)} @@ (${query} || '''audit:large'''))`;
}

/** The text of a Postgres array. */
function arrayText(values: readonly string[]): string {
  return `{${values.map((value) => `"${value.replace(/["\\]/g, '\\$&')}"`).join()}}`;
}
