import { assignedRests, bareRest, createAssignedRules, secretNames } from '@auditbox/core/redact/assigned-secrets.ts';
import { maxSecrets } from '@auditbox/core/redact/found-secret.ts';
import { endings, hashOrMask, masked, maxNameLength, wholeNames } from '@auditbox/core/redact/secret-names.ts';
import { type ValueRule, valueRules } from '@auditbox/core/redact/secret-values.ts';
import {
  blanks,
  consumeBoundary,
  escapePattern,
  separators,
  splitAlternatives,
  toPostgres,
} from './postgres-pattern.ts';

/*
 * The functions of `auditbox.record` that hold the names and forms of secrets, made from the tables of packages/core. A
 * migration holds them as they are printed here. A test compares the two, so after a change of a table a new migration must
 * replace the functions.
 */

const formOf = ({ before = '', secret }: ValueRule) => toPostgres(consumeBoundary(before + secret));
const quote = (text: string) => `'${text.replaceAll("'", "''")}'`;
/** The alternatives of a pattern, each on its line. */
const lines = (alternatives: readonly string[], indent: string) =>
  alternatives.map((one, index) => quote(index === 0 ? one : `|${one}`)).join(`\n${indent}|| `);

/** What stands before each secret, with a group for each kind, and whether that is more than a boundary. */
const byForm = (() => {
  const plain = valueRules.filter(({ before }) => before === undefined);
  const kinds = [...new Set(plain.map(({ kind }) => kind))];
  const beginnings = kinds.map((kind) => {
    const all = plain.filter((rule) => rule.kind === kind).flatMap((rule) => rule.beginnings);
    return `(${all.map(escapePattern).join('|')})`;
  });
  const led = valueRules.flatMap(({ kind, before }) => (before === undefined ? [] : [{ kind, before }]));
  return {
    kinds: [...kinds, ...led.map(({ kind }) => kind)],
    led: kinds.length,
    pattern: [
      `^(?:[^A-Za-z0-9_-]?(?:${beginnings.join('|')})`,
      ...led.map(({ before }) => `(${toPostgres(consumeBoundary(before))})`),
    ],
    until: [...new Set(plain.flatMap(({ until }) => (until === undefined ? [] : [until.source])))].join('|'),
    untilKinds: [...new Set(plain.flatMap(({ until, kind }) => (until === undefined ? [] : [kind])))],
  };
})();

/** Finds what the form finds, and more: it ends at the first count of many characters. Most values have nothing of it. */
function relax(rule: ValueRule): string {
  const pattern = toPostgres(`${rule.before ?? ''}${rule.secret}`)
    .replace(/^\(\?<!\[[^\]]+\]\)/, '')
    .replace(/\(\?=([^()]*)\)$/, '(?:$1)')
    .replaceAll(/\(\?[=!][^()]*\)/g, '');
  const [, kept = pattern, least = ''] = /^(.*?)\{(\d+)(?:,\d{2,}|,|)\}/.exec(pattern) ?? [];
  return least === '' ? kept : `${kept}${Number(least) === 0 ? '*' : `{${Math.min(Number(least), 12)}}`}`;
}

const holds = (text: string, within = 'given') => `strpos(${within}, ${quote(text)}) > 0`;
const mayHoldForm = valueRules.map((rule) => {
  const shared = sharedBeginning(rule.beginnings);
  const any = (shared.length > 1 ? [shared] : rule.beginnings).map((beginning) => holds(beginning)).join(' or ');
  return `(${any}) and given collate "C" ~ ${quote(relax(rule))}`;
});
function sharedBeginning([first = '', ...others]: readonly string[]): string {
  let length = first.length;
  while (others.some((other) => !other.startsWith(first.slice(0, length)))) length -= 1;
  return first.slice(0, length);
}

/** An escape that can be a blank is one to Postgres here. */
const mayBeBlank = String.raw`(?:[${blanks}]|\\[bfnrt]|\\u[0-9a-fA-F]{4})*`;

/** Letters with any separators between them. */
const spaced = (name: string) => [...name].join('[^a-z0-9"]*');
/** Kinds under whose names LiteLLM writes hashes and masked names. */
const oftenHarmless = ['token', 'api-key'];
const harmless = '\\s|null|true|false|""|"[0-9a-f]{64}"|"[A-Za-z0-9_-]{0,12}\\.{3}[A-Za-z0-9_-]{0,8}"';

const kinds = [...new Set([...Object.keys(endings), ...Object.keys(wholeNames)])];
const needles = kinds.flatMap((kind) => [
  ...(endings[kind] ?? []).map((name) => ({ kind, name: `${name}":` })),
  ...(wholeNames[kind] ?? []).map((name) => ({ kind, name: `"${name}":` })),
]);
const certain = needles.filter(({ kind }) => !oftenHarmless.includes(kind)).map(({ name }) => holds(name, 'names'));
const uncertain = needles.filter(({ kind }) => oftenHarmless.includes(kind)).map(({ name }) => holds(name, 'names'));
const members = oftenHarmless.map((kind) => {
  const names = (endings[kind] ?? []).map(spaced).join('|');
  return `(?:${names})[^a-z0-9"]*"\\s*:(?!${harmless}${kind === 'token' ? '|[0-9-]' : ''})`;
});

const kindCases = kinds.map((kind) => {
  const ends = (endings[kind] ?? []).map((ending) => `'%${ending}'`);
  const wholes = (wholeNames[kind] ?? []).map((name) => `'${name}'`);
  return `when plain like any (array[${[...wholes, ...ends].join(', ')}]) then '${kind}'`;
});

const assigned = toPostgres(createAssignedRules([]).pattern);
const restOf = (pattern: RegExp) => quote(`^${toPostgres(pattern.source)}`);

/** The statements that make the functions, in an order in which they can run. */
export const redactionFunctions: readonly string[] = [
  `-- The kind of secret that a name shows. The name has no separators and is in lower case.
create or replace function auditbox.kind_of_plain_name(plain text) returns text
language sql immutable parallel safe
return case
  ${kindCases.join('\n  ')}
end`,
  `-- A JSON text without the separators that names have, and without white space before a colon.
create or replace function auditbox.plain_names(given text) returns text
language sql immutable parallel safe
return ${[String.raw`e'\t'`, String.raw`e'\n'`, String.raw`e'\r'`, "' '", "'.'", "'-'", "'_'"].reduce((text, one) => `replace(${text}, ${one}, '')`, 'lower(given collate "C")')}`,
  `-- The kind of secret that a name shows; null if it does not say so. K and İ are the letters outside of ASCII that become ASCII in
-- lower case. Almost no name needs the regular expression.
create or replace function auditbox.kind_of_name(name text) returns text
language sql immutable parallel safe
return auditbox.kind_of_plain_name(case
  when name collate "C" ~ '[^A-Za-z0-9_. -]' then regexp_replace(
    lower(right(translate(name, e'\\u212a\\u0130', 'ki'), ${maxNameLength}) collate "C"), ${quote(`${separators}+`)}, '', 'g')
  else auditbox.plain_names(right(name, ${maxNameLength})) end)`,
  `-- Whether a text under a secret name is no secret: a hash, a mask, a reference, or replaced before.
create or replace function auditbox.is_harmless(given text, kind text) returns boolean
language sql immutable parallel safe
return given = '' or length(given) <= 128 and (
  kind in ('token', 'api-key') and given collate "C" ~ ${quote(toPostgres(hashOrMask.source))}
  or given collate "C" ~ ${quote(toPostgres(masked.source))})`,
  `-- Whether strings of a JSON text may hold a secret by their form. The text has no escape of an ASCII character. A search for a text
-- costs a quarter of a microsecond, and a regular expression with all forms some hundred.
create or replace function auditbox.may_hold_form(given text) returns boolean
language sql immutable parallel safe
return ${mayHoldForm.join('\n  or ')}
  or given collate "C" ~ ${quote(`[=']|[A-Za-z]${mayBeBlank}:[${blanks}\\\\]`)}
    and given collate "C" ~* ${quote(`(?:${secretNames})(?:'|${mayBeBlank})*[:=]`)}`,
  `-- Whether members of a JSON text may hold a secret by their name. The text has no escape of an ASCII character. \`names\` is what
-- plain_names makes of it.
create or replace function auditbox.may_hold_name(given text, names text) returns boolean
language sql immutable parallel safe
return ${certain.join('\n  or ')}
  -- Another character in a name, such as an escape.
  or given collate "C" ~ '[^A-Za-z0-9_. "-][A-Za-z0-9_. -]*"[ \\t\\n\\r]*:'
  or (${uncertain.join('\n    or ')})
    and given collate "C" ~* ${quote(members.join('|'))}`,
  `-- Replaces the secrets that a text shows by their form, or assigns to a name. Null if it holds no secret.
create or replace function auditbox.redact_forms(given text) returns text
language plpgsql immutable strict set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
declare
  -- The character before a secret belongs to the match.
  forms constant text :=
    ${lines(valueRules.map(formOf), '    ')};
  lead constant text :=
    ${lines(byForm.pattern, '    ')} || ')';
  kind_of_form constant text[] := array[${byForm.kinds.map(quote).join(', ')}];
  -- Ends where the secret begins. It looks behind at a sign alone, and signs are rare.
  assigned constant text :=
    ${lines(splitAlternatives(assigned), '    ')};
  plain constant text collate "C" := given;
  whole constant integer := length(given) + 1;
  starts integer[] := '{}';
  ends integer[] := '{}';
  kinds text[] := '{}';
  here integer;
  stop integer := 1;
  groups text[];
  place integer;
  kept integer := 1;
  it record;
  redacted text := '';
begin
  while stop < whole loop
    place := greatest(stop - 1, 1);
    here := regexp_instr(plain, forms, place, 1, 0);
    exit when here = 0;
    stop := regexp_instr(plain, forms, place, 1, 1);
    groups := regexp_match(substr(plain, here, stop - here), lead);
    place := 1;
    while groups[place] is null loop
      place := place + 1;
    end loop;
    here := here + case when place > ${byForm.led} then length(groups[place])
      else strpos(substr(plain, here, 2), left(groups[place], 1)) - 1 end;
    if kind_of_form[place] in (${byForm.untilKinds.map(quote).join(', ')}) then
      stop := coalesce(nullif(regexp_instr(plain, ${quote(toPostgres(byForm.until))}, stop, 1, 1), 0), whole);
    end if;
    -- Of very many secrets no list is kept.
    if cardinality(starts) >= ${maxSecrets} then
      stop := whole;
    end if;
    starts := starts || here;
    ends := ends || stop;
    kinds := kinds || kind_of_form[place];
  end loop;
  if plain ~ '[:=]' then
    stop := 1;
    while stop < whole loop
      here := regexp_instr(plain, assigned, stop, 1, 1, 'i');
      exit when here = 0;
      stop := case when cardinality(starts) >= 2 * ${maxSecrets} then whole
        else here + length(substring(substr(plain, here) from case substr(plain, here - 1, 1)
          when '"' then ${restOf(assignedRests['"'] as RegExp)}
          when '''' then ${restOf(assignedRests["'"] as RegExp)}
          else ${restOf(bareRest)} end)) end;
      starts := starts || here;
      ends := ends || stop;
      kinds := kinds || 'assignment'::text;
    end loop;
  end if;
  if cardinality(starts) = 0 then
    return null;
  end if;
  -- Of two that overlap, the one that begins first stays, to the end of both.
  for it in
    select found.* from unnest(starts, ends, kinds) with ordinality as found (start, stop, kind, place)
    order by found.start, found.place
  loop
    if it.start >= kept then
      redacted := redacted || substr(given, kept, it.start - kept) || '[redacted:' || it.kind || ']';
    end if;
    kept := greatest(kept, it.stop);
  end loop;
  return redacted || substr(given, kept);
end $$`,
];
