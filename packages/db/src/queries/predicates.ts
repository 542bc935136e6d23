import { anyCase } from '@auditbox/core/text/any-case.ts';
import type { Fragment, Sql } from 'postgres';
import type { ValueAt } from './event-filter.ts';

/* Conditions on a row `a` of audit_log. */

/** The expression of the index of words (`npm run migrate -- --search-index on`); it must be the same text. */
const words = 'auditbox.audit_words(a.before_value, a.updated_values, a.context)';

/** Whether the column is one of many values. The server splits the text of an array. */
export function isIn(sql: Sql, column: string, values: readonly string[]): Fragment {
  return sql`a.${sql(column)} = any(${arrayText(values)}::text::text[])`;
}

/** An index can serve it, because the column compares by bytes. */
export function startsWith(sql: Sql, column: string, prefix: string): Fragment {
  return sql`a.${sql(column)} ^@ ${prefix}::text`;
}

/** Whether the column is this text in upper or lower case. No index serves it. */
export function isInAnyCase(sql: Sql, column: string, text: string): Fragment {
  return sql`a.${sql(column)} ~ ${anyCase(text)}`;
}

/** Generated columns, with the member at the top of the values that each holds. */
const memberColumns = {
  team_id: 'team_id',
  former_team_id: 'team_id',
  key_hash: 'token',
  former_key_hash: 'token',
} as const;

/** The generated columns and the indexes of texts hold this many characters of a long text. */
const heldLength = 512;

/** Whether a generated column is this value. */
function columnIs(sql: Sql, column: keyof typeof memberColumns, value: string): Fragment {
  if ([...value].length < heldLength) return sql`a.${sql(column)} = ${value}`;
  const member = memberColumns[column];
  return sql`a.${sql(column)} = left(${value}::text, ${heldLength})
    and (a.updated_values ->> ${member} = ${value} or a.before_value ->> ${member} = ${value})`;
}

/** The expressions of the indexes of texts; they must be the same as in the migration 0035. */
const inText = {
  team_id: `nullif(left(auditbox.member_in_text(a.updated_values, 'team_id'), 512), a.former_team_id)`,
  former_team_id: `nullif(nullif(left(auditbox.member_in_text(a.before_value, 'team_id'), 512), a.team_id),
    left(auditbox.member_in_text(a.updated_values, 'team_id'), 512))`,
  key_hash: `nullif(left(auditbox.member_in_text(a.updated_values, 'token'), 512), a.former_key_hash)`,
  former_key_hash: `nullif(nullif(left(auditbox.member_in_text(a.before_value, 'token'), 512), a.key_hash),
    left(auditbox.member_in_text(a.updated_values, 'token'), 512))`,
} as const;

/** Whether a value that is JSON text inside a JSON string has the member that the generated column has of an object. */
function textHas(sql: Sql, column: keyof typeof memberColumns, value: string): Fragment {
  const member = memberColumns[column];
  const json = sql.unsafe(`a.${column.startsWith('former_') ? 'before_value' : 'updated_values'}`);
  // The index holds the rows of this condition alone.
  const isHeld = sql`json_typeof(${json}) = 'string' and strpos(${json}::text, ${sql.unsafe(`'${member}'`)}) > 0`;
  const held = sql.unsafe(`${inText[column]} collate "C"`);
  if ([...value].length < heldLength) return sql`${isHeld} and ${held} = ${value}`;
  return sql`${isHeld} and ${held} = left(${value}::text, ${heldLength})
    and auditbox.member_in_text(${json}, ${sql.unsafe(`'${member}'`)}) = ${value}`;
}

/** The ways in which an event can have a team or key. An index serves each, and no event has the same one in two ways. */
export function waysToHave(sql: Sql, member: 'team_id' | 'key_hash', value: string): Fragment[] {
  const columns = [member, `former_${member}`] as const;
  return [columnIs, textHas].flatMap((is) => columns.map((column) => is(sql, column, value)));
}

/**
 * Whether a place inside a value equals this, also inside JSON text in a JSON string. No index serves it: rows are read in the
 * order of the list.
 */
export function isValueAt(sql: Sql, { column, path, equals }: ValueAt): Fragment {
  const json = sql`a.${sql(column)}`;
  const at = sql`${arrayText(path)}::text::text[]`;
  // `#>>` returns SQL null both for JSON's null and for a missing member.
  const inJson =
    equals === 'null'
      ? sql`coalesce(${json} #>> ${at}, (${json} #> ${at})::text) = 'null'`
      : sql`${json} #>> ${at} = ${equals}`;
  // A context is never a text.
  if (column === 'context') return inJson;
  return sql`case json_typeof(${json}) when 'string' then auditbox.value_in_text(${json}, ${at}) = ${equals} else ${inJson} end`;
}

/**
 * Whether every word occurs in the values, in upper or lower case. Values that are too large for the index are searched as
 * text, so there a part of a longer word matches too.
 */
export function holdsWords(sql: Sql, text: string): Fragment {
  const inText = text
    .split(/\s+/)
    .filter((word) => word !== '')
    .map((word) => {
      const text = sql`lower(concat_ws(' ', a.before_value::text, a.updated_values::text, a.context::text))`;
      return isNeverEscaped(word) ? sql`strpos(${text}, lower(${word})) > 0` : sql`${text} ~ ${escapedForms(word)}`;
    })
    .reduce((all, one) => sql`${all} and ${one}`);
  return sql`(${sql.unsafe(words)} @@ (plainto_tsquery('pg_catalog.simple', ${text}) || '''audit:large''')
    and case when ${sql.unsafe(words)} @@ '''audit:large''' then ${inText} else true end)`;
}

/** No common program writes these characters as escapes. */
function isNeverEscaped(word: string): boolean {
  return /^[\w.:-]*$/.test(word);
}

/** A regular expression for a word in JSON text in lower case: senders may write each character as it is or as an escape. */
function escapedForms(word: string): string {
  return Array.from(word.toLowerCase(), (character) => {
    if (/[a-z0-9_]/.test(character)) return character;
    const cases = new Set([character, character.toUpperCase()]);
    const escapes = Array.from(cases, (one) =>
      toUnits(one)
        .map((unit) => String.raw`\\u${unit}`)
        .join(''),
    );
    return `(?:\\\\?${escapeRegex(character)}|${escapes.join('|')})`;
  }).join('');
}

function toUnits(text: string): string[] {
  return Array.from({ length: text.length }, (_, at) => text.charCodeAt(at).toString(16).padStart(4, '0'));
}

function escapeRegex(character: string): string {
  return /[\p{L}\p{N}]/u.test(character)
    ? character
    : `[${character === '^' || character === '\\' || character === ']' ? `\\${character}` : character}]`;
}

/** The text of a Postgres array. */
function arrayText(values: readonly string[]): string {
  return `{${values.map((value) => `"${value.replace(/["\\]/g, '\\$&')}"`).join()}}`;
}
