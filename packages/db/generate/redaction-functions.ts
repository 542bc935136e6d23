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

/** The longest text that Postgres repeats a dot for. */
const cellLength = 255;
const blockLength = 16 * cellLength;
/** Matches may hold characters of `breaks` in their first characters: in names, and in blanks behind them. */
const maxMatchWithBreak = 100;
/** What no run of a match holds, as patterns of JavaScript. Of the forms, only an address has runs of more characters than the others. */
export const breaks = {
  usual: '[^A-Za-z0-9._~+/=-]',
  withAddress: '[\\s"\'<>]',
  assigned: '[^A-Za-z]',
};
/** The first character for private use. */
const mark = 0xe000;

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
  `-- How many characters of a text a pattern finds, which begins with ^. The text may go on in the blocks behind \`last\`. Null if it finds
-- nothing to the end.
create or replace function auditbox.find_secret_end(given text, pattern text, blocks text[], last integer) returns integer
language plpgsql immutable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
declare
  more integer := 1;
  characters integer;
begin
  loop
    characters := length(substring(given collate "C" from pattern));
    -- An escape may be cut in two.
    if characters < length(given) - 1 or last >= cardinality(blocks) then
      return characters;
    end if;
    given := given || array_to_string(blocks[last + 1:last + more], '');
    last := last + more;
    more := more * 2;
  end loop;
end $$`,
  `-- A search reads its text from the beginning, so a long text is searched in windows. \`windows\` are parts of it that overlap: \`after\` says
-- how many characters are before each, and \`until\` before which character the matches begin that are looked for in it. \`last_blocks\`
-- says with which block of the text each ends. A match holds a character of \`breaks\` only in its first ${maxMatchWithBreak} characters.
create or replace function auditbox.cut_windows(blocks text[], breaks text,
  out windows text[], out after integer[], out until integer[], out last_blocks integer[])
language plpgsql immutable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
declare
  piece text collate "C" := '';
  piece_after integer := 0;
  piece_until integer := 1;
  place integer;
begin
  for block in 1..cardinality(blocks) loop
    piece := piece || blocks[block];
    if block = cardinality(blocks) then
      place := piece_after + length(piece) + 1;
    else
      continue when blocks[block] collate "C" !~ breaks;
      place := piece_after + length(substring(piece from '^.*' || breaks)) - ${maxMatchWithBreak};
      continue when place <= piece_until;
    end if;
    piece_until := place;
    windows := windows || piece;
    after := after || piece_after;
    until := until || piece_until;
    last_blocks := last_blocks || block;
    -- What stands before a match counts.
    place := greatest(piece_until - piece_after - ${maxMatchWithBreak}, 0);
    piece := substr(piece, place + 1);
    piece_after := piece_after + place;
  end loop;
end $$`,
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
  whole constant integer := length(given) + 1;
  -- The text in pieces of one length.
  block_length integer := whole;
  blocks text[] := array[given];
  windows text[] collate "C" := blocks;
  windows_after integer[] := '{0}';
  windows_until integer[] := array[whole];
  last_blocks integer[] := '{1}';
  after integer;
  until integer := 1;
  piece text collate "C";
  -- A character that the text does not hold, around a match.
  mark text := chr(${mark});
  starts integer[] := '{}';
  ends integer[] := '{}';
  kinds text[] := '{}';
  here integer;
  stop integer := 1;
  match text collate "C";
  groups text[];
  place integer;
  kept integer := 1;
  it record;
  redacted text[] := '{}';
begin
  if whole > ${2 * blockLength} then
    block_length := ${blockLength};
    blocks := array(
      select string_agg(cell.match[1], '' order by cell.place)
      from regexp_matches(given, '.{1,${cellLength}}', 'g') with ordinality as cell (match, place)
      group by (cell.place - 1) / ${blockLength / cellLength} order by (cell.place - 1) / ${blockLength / cellLength});
    select * into windows, windows_after, windows_until, last_blocks from auditbox.cut_windows(blocks,
      case when strpos(given, '://') > 0 then ${quote(toPostgres(breaks.withAddress))} else ${quote(breaks.usual)} end);
  end if;
  while strpos(given, mark) > 0 loop
    mark := chr(ascii(mark) + 1);
  end loop;
  for number in 1..cardinality(windows) loop
    after := windows_after[number];
    while stop < windows_until[number] loop
      place := greatest(greatest(stop, until) - 1 - after, 1);
      piece := regexp_replace(windows[number], forms, mark || '\\&' || mark, place, 1);
      here := strpos(piece, mark);
      exit when here = 0 or after + here >= windows_until[number];
      match := split_part(piece, mark, 2);
      stop := here + length(match);
      groups := regexp_match(match, lead);
      place := 1;
      while groups[place] is null loop
        place := place + 1;
      end loop;
      here := after + here + case when place > ${byForm.led} then length(groups[place])
        else strpos(left(match, 2), left(groups[place], 1)) - 1 end;
      if kind_of_form[place] in (${byForm.untilKinds.map(quote).join(', ')}) then
        stop := coalesce(after + stop + auditbox.find_secret_end(substr(windows[number], stop),
          ${quote(`^.*?(?:${toPostgres(byForm.until)})`)}, blocks, last_blocks[number]), whole);
      else
        stop := after + stop;
      end if;
      -- Of very many secrets no list is kept.
      if cardinality(starts) >= ${maxSecrets} then
        stop := whole;
      end if;
      starts := starts || here;
      ends := ends || stop;
      kinds := kinds || kind_of_form[place];
    end loop;
    until := windows_until[number];
  end loop;
  if given ~ '[:=]' then
    if cardinality(blocks) > 1 then
      select * into windows, windows_after, windows_until, last_blocks from auditbox.cut_windows(blocks, ${quote(breaks.assigned)});
    end if;
    until := 1;
    stop := 1;
    for number in 1..cardinality(windows) loop
      after := windows_after[number];
      while stop < windows_until[number] loop
        piece := regexp_replace(windows[number], assigned, mark || '\\&' || mark, greatest(stop, until) - after, 1, 'i');
        here := strpos(piece, mark);
        exit when here = 0 or after + here >= windows_until[number];
        match := split_part(piece, mark, 2);
        here := here + length(match);
        stop := case when cardinality(starts) >= 2 * ${maxSecrets} then whole
          else after + here + auditbox.find_secret_end(substr(windows[number], here), case right(match, 1)
            when '"' then ${restOf(assignedRests['"'] as RegExp)}
            when '''' then ${restOf(assignedRests["'"] as RegExp)}
            else ${restOf(bareRest)} end, blocks, last_blocks[number]) end;
        starts := starts || (after + here);
        ends := ends || stop;
        kinds := kinds || 'assignment'::text;
      end loop;
      until := windows_until[number];
    end loop;
  end if;
  if cardinality(starts) = 0 then
    return null;
  end if;
  -- Of two that overlap, the one that begins first stays, to the end of both.
  for it in
    select found.* from unnest(starts || whole, ends || whole, kinds || ''::text) with ordinality as found (start, stop, kind, place)
    order by found.start, found.place
  loop
    if it.start >= kept then
      while kept < it.start loop
        place := (kept - 1) % block_length;
        redacted := redacted || substr(blocks[(kept - 1) / block_length + 1], place + 1, least(it.start - kept, block_length - place));
        kept := kept + least(it.start - kept, block_length - place);
      end loop;
      if it.start < whole then
        redacted := redacted || ('[redacted:' || it.kind || ']');
      end if;
    end if;
    kept := greatest(kept, it.stop);
  end loop;
  return array_to_string(redacted, '');
end $$`,
];
