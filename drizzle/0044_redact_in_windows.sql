-- `record` replaces the secrets of a long text in windows, because a search reads its text from the beginning: a text of 16 KiB that
-- consists of secrets needed 20 s. It keeps \u0000 and halves of surrogate pairs next to a secret in JSON text inside a text.
-- `capture` and `recapture` refuse a table that Citus distributes, as the command does.
-- The functions up to redact_forms are printed by packages/db/generate/print-redaction.ts.
-- Locks: none.
--
-- The kind of secret that a name shows; null if it does not say so. K and İ are the letters outside of ASCII that become ASCII in
-- lower case. Almost no name needs the regular expression.
create or replace function auditbox.kind_of_name(name text) returns text
language sql immutable parallel safe
return auditbox.kind_of_plain_name(case
  when name collate "C" ~ '[^A-Za-z0-9_. -]' then regexp_replace(
    lower(right(translate(name, e'\u212a\u0130', 'ki'), 64) collate "C"), '[\u0001-/:-`{-\u007f\u0080-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u00d7\u00f7\u02c2-\u02c5\u02d2-\u02df\u02e5-\u02eb\u02ed\u02ef-\u036f\u2000-\u206f\u2072-\u2073\u207a-\u207e\u208a-\u208f\u209d-\u2101\u2103-\u2106\u2108-\u2109\u2114\u2116-\u2118\u211e-\u2123\u2125\u2127\u2129\u212e\u213a-\u213b\u2140-\u2144\u214a-\u214d\u214f\u218a-\u245f\u249c-\u24e9\u2500-\u2775\u2794-\u2bff\u3000-\u3004\u3008-\u3020\u302a-\u3030\u3036-\u3037\u303d-\u303f\ufe00-\ufe6f\ufefd-\uff0f\U0001f000-\U0001f0ff\U0001f10d-\U0001faff\U0010d800-\U0010e000]+', '', 'g')
  else auditbox.plain_names(right(name, 64)) end);
--> statement-breakpoint
-- How many characters of a text a pattern finds, which begins with ^. The text may go on in the blocks behind `last`. Null if it finds
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
end $$;
--> statement-breakpoint
-- A search reads its text from the beginning, so a long text is searched in windows. `windows` are parts of it that overlap: `after` says
-- how many characters are before each, and `until` before which character the matches begin that are looked for in it. `last_blocks`
-- says with which block of the text each ends. A match holds a character of `breaks` only in its first 100 characters.
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
      place := piece_after + length(substring(piece from '^.*' || breaks)) - 100;
      continue when place <= piece_until;
    end if;
    piece_until := place;
    windows := windows || piece;
    after := after || piece_after;
    until := until || piece_until;
    last_blocks := last_blocks || block;
    -- What stands before a match counts.
    place := greatest(piece_until - piece_after - 100, 0);
    piece := substr(piece, place + 1);
    piece_after := piece_after + place;
  end loop;
end $$;
--> statement-breakpoint
-- Replaces the secrets that a text shows by their form, or assigns to a name. Null if it holds no secret.
create or replace function auditbox.redact_forms(given text) returns text
language plpgsql immutable strict set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
declare
  -- The character before a secret belongs to the match.
  forms constant text :=
    '(?:^|[^A-Za-z0-9_-])sk-(?=[a-z-]*[A-Z0-9_])[A-Za-z0-9_-]{16,}'
    || '|(?:^|[^A-Za-z0-9_-])[rs]k_(?:live|test)_[A-Za-z0-9]{16,}'
    || '|(?:^|[^A-Za-z0-9_-])AIza[A-Za-z0-9_-]{35}'
    || '|(?:^|[^A-Za-z0-9_-])abx_[a-z0-9]{1,12}_[0-9A-Za-z]{38}'
    || '|(?:^|[^A-Za-z0-9_-])A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}(?![A-Za-z0-9])'
    || '|(?:^|[^A-Za-z0-9_-])gh[pousr]_[A-Za-z0-9]{36,}'
    || '|(?:^|[^A-Za-z0-9_-])github_pat_[A-Za-z0-9_]{50,}'
    || '|(?:^|[^A-Za-z0-9_-])glpat-[A-Za-z0-9_-]{20,}'
    || '|(?:^|[^A-Za-z0-9_-])xox[abeprs]-[A-Za-z0-9-]{10,}'
    || '|(?:^|[^A-Za-z0-9_-])npm_[A-Za-z0-9]{36,}'
    || '|(?:^|[^A-Za-z0-9_-])hf_[A-Za-z0-9]{30,}'
    || '|(?:^|[^A-Za-z0-9_-])hv[sb]\.[A-Za-z0-9_-]{20,}'
    || '|(?:^|[^A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){2,4}'
    || '|-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----'
    || '|(?:^|[^A-Za-z])(?:[Bb]earer|BEARER|[Bb]asic|BASIC) {1,8}(?=[a-z._~+/-]*[A-Z0-9=])[A-Za-z0-9._~+/=-]{16,}'
    || '|://[^\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff/:@"''<>]*:(?!\[redacted:|\*{3})[^\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff/@"''<>]+(?=@)';
  lead constant text :=
    '^(?:[^A-Za-z0-9_-]?(?:(sk-|sk_live_|sk_test_|rk_live_|rk_test_|AIza|abx_)|(AKIA|ASIA|ABIA|ACCA)|(ghp_|gho_|ghu_|ghs_|ghr_|github_pat_|glpat-|xoxa-|xoxb-|xoxe-|xoxp-|xoxr-|xoxs-|npm_|hf_|hvs\.|hvb\.)|(eyJ)|(-----BEGIN ))'
    || '|((?:^|[^A-Za-z])(?:[Bb]earer|BEARER|[Bb]asic|BASIC) {1,8})'
    || '|(://[^\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff/:@"''<>]*:)' || ')';
  kind_of_form constant text[] := array['api-key', 'aws-key', 'token', 'jwt', 'private-key', 'authorization', 'password'];
  -- Ends where the secret begins. It looks behind at a sign alone, and signs are rare.
  assigned constant text :=
    '["''](?<=(?:pass(?:word|wd|phrase|code)|pwd|secrets?|(?:api|access|private|secret|signing|encryption|master|hmac|ssh)[_-]?keys?|token|jwt|authorization|signature|credentials?|cookies?|conn(?:ection)?[_-]?str(?:ing)?)["''])[\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]{0,8}[:=][\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]{0,8}["''](?!\[redacted:|[0-9a-f]{64}(?![0-9a-f])|\*{3}|os\.environ/)(?=[^"''\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff])'
    || '|[:=](?<=[a-z"''\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff][:=])(?<=(?:pass(?:word|wd|phrase|code)|pwd|secrets?|(?:api|access|private|secret|signing|encryption|master|hmac|ssh)[_-]?keys?|token|jwt|authorization|signature|credentials?|cookies?|conn(?:ection)?[_-]?str(?:ing)?)[\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]{0,8}[:=])[\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]{0,8}["''](?!\[redacted:|[0-9a-f]{64}(?![0-9a-f])|\*{3}|os\.environ/)(?=[^"''\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]{4})'
    || '|[=](?<=[a-z"''\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff][=])(?<=(?:pass(?:word|wd|phrase|code)|pwd|secrets?|(?:api|access|private|secret|signing|encryption|master|hmac|ssh)[_-]?keys?|token|jwt|authorization|signature|credentials?|cookies?|conn(?:ection)?[_-]?str(?:ing)?)["'']?[\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]{0,8}=)(?!\[redacted:|[0-9a-f]{64}(?![0-9a-f])|\*{3}|os\.environ/)(?=[^\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff&;,"''<>\\]{6})'
    || '|[:=](?<=[a-z"''\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff][:=])(?<=(?:pass(?:word|wd|phrase|code)|pwd|secrets?|(?:api|access|private|secret|signing|encryption|master|hmac|ssh)[_-]?keys?|token|jwt|authorization|signature|credentials?|cookies?|conn(?:ection)?[_-]?str(?:ing)?)["'']?[\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]{0,8}[:=])[\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]{1,8}(?!\[redacted:|[0-9a-f]{64}(?![0-9a-f])|\*{3}|os\.environ/)(?=[^\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff&;,"''<>\\]{6})(?=[^\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff&;,"''<>\\][a-z]*[^a-z\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff&;,"''<>\\.:!?)])';
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
  mark text := chr(57344);
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
  if whole > 8160 then
    block_length := 4080;
    blocks := array(
      select string_agg(cell.match[1], '' order by cell.place)
      from regexp_matches(given, '.{1,255}', 'g') with ordinality as cell (match, place)
      group by (cell.place - 1) / 16 order by (cell.place - 1) / 16);
    select * into windows, windows_after, windows_until, last_blocks from auditbox.cut_windows(blocks,
      case when strpos(given, '://') > 0 then '[\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"''<>]' else '[^A-Za-z0-9._~+/=-]' end);
  end if;
  while strpos(given, mark) > 0 loop
    mark := chr(ascii(mark) + 1);
  end loop;
  for number in 1..cardinality(windows) loop
    after := windows_after[number];
    while stop < windows_until[number] loop
      place := greatest(greatest(stop, until) - 1 - after, 1);
      piece := regexp_replace(windows[number], forms, mark || '\&' || mark, place, 1);
      here := strpos(piece, mark);
      exit when here = 0 or after + here >= windows_until[number];
      match := split_part(piece, mark, 2);
      stop := here + length(match);
      groups := regexp_match(match, lead);
      place := 1;
      while groups[place] is null loop
        place := place + 1;
      end loop;
      here := after + here + case when place > 5 then length(groups[place])
        else strpos(left(match, 2), left(groups[place], 1)) - 1 end;
      if kind_of_form[place] in ('private-key') then
        stop := coalesce(after + stop + auditbox.find_secret_end(substr(windows[number], stop),
          '^.*?(?:-----END [^-]{0,60}-----)', blocks, last_blocks[number]), whole);
      else
        stop := after + stop;
      end if;
      -- Of very many secrets no list is kept.
      if cardinality(starts) >= 500 then
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
      select * into windows, windows_after, windows_until, last_blocks from auditbox.cut_windows(blocks, '[^A-Za-z]');
    end if;
    until := 1;
    stop := 1;
    for number in 1..cardinality(windows) loop
      after := windows_after[number];
      while stop < windows_until[number] loop
        piece := regexp_replace(windows[number], assigned, mark || '\&' || mark, greatest(stop, until) - after, 1, 'i');
        here := strpos(piece, mark);
        exit when here = 0 or after + here >= windows_until[number];
        match := split_part(piece, mark, 2);
        here := here + length(match);
        stop := case when cardinality(starts) >= 2 * 500 then whole
          else after + here + auditbox.find_secret_end(substr(windows[number], here), case right(match, 1)
            when '"' then '^(?:[^"\\]|\\.)*'
            when '''' then '^(?:[^''\\]|\\.)*'
            else '^[^\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff&;,"''<>\\]*' end, blocks, last_blocks[number]) end;
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
end $$;
--> statement-breakpoint
-- The text of a JSON string. Postgres has no text with U+0000 or half of a surrogate pair, so characters for private use stand for
-- them: U+D800 becomes U+10D800, and so on, and U+0000 becomes U+10E000.
create or replace function auditbox.unescape(string text) returns text
language plpgsql immutable strict set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
declare
  half record;
begin
  return string::json #>> '{}';
exception when others then
  string := replace(replace(string, '\\', '\u005c'), '\u0000', '\udbf8\udc00');
  string := regexp_replace(string, '(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F])', '\\udbf7\\u\1', 'g');
  for half in
    select * from (values ('8', 'c'), ('9', 'd'), ('[aA]', 'e'), ('[bB]', 'f')) as halves (given, low)
  loop
    string := regexp_replace(string, '\\u[dD]' || half.given || '([0-9a-fA-F]{2})(?!\\u[dD][c-fC-F])', '\\udbf6\\ud' || half.low || '\1', 'g');
  end loop;
  return string::json #>> '{}';
end $$;
--> statement-breakpoint
-- A text as a JSON string, in the place of another one: with the escapes that `unescape` replaced there.
create function auditbox.to_json_text(given text, instead_of text) returns text
language plpgsql immutable strict set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
declare
  string text := to_json(given)::text;
  found_one text;
begin
  if not auditbox.is_unreadable(instead_of::json) then
    return string;
  end if;
  loop
    found_one := substring(string collate "C" from '[\U0010d800-\U0010e000]');
    exit when found_one is null;
    string := replace(string, found_one, '\u' || case ascii(found_one) when 1105920 then '0000' else to_hex(ascii(found_one) - 1048576) end);
  end loop;
  return string;
end $$;
--> statement-breakpoint
-- Replaces the secrets of a JSON text, and leaves every other character. It works on the tokens of the text, because printing a
-- parsed value again would change numbers. `redacted` is null if there is nothing to replace. `pointers` are JSON Pointers
-- (RFC 6901) to what was replaced, behind `root`.
create or replace function auditbox.redact_json(given text, root text, texts_in_texts integer, out redacted text, out count integer, out pointers text[])
language plpgsql immutable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
declare
  -- A string without escapes is in the text as it is, so one search of the text answers for all of them.
  may_hold_plainly constant boolean := auditbox.may_hold_form(given);
  pieces text[] := '{}';
  -- The objects and arrays that are open: whether it is an object, and the name or place in it.
  is_object boolean[] := '{}';
  names text[] := '{}';
  depth integer := 0;
  -- How many levels are open of a list or object that is replaced as a whole.
  left_out integer := 0;
  kind text;
  parts text[];
  token text;
  string text;
  replacement text;
  more integer;
  pointer text;
  longer text;
begin
  count := 0;
  pointers := '{}';
  -- White space; then a name with its colon, a string, a bracket, a comma, or a number or word.
  for parts in
    select m from regexp_matches(given,
      '([ \t\n\r]*)("(?:[^"\\]|\\.)*"[ \t\n\r]*:|"(?:[^"\\]|\\.)*"|[][{},]|[^][{}," \t\n\r]+)', 'g') m
  loop
    token := parts[2];
    replacement := null;
    more := 1;
    if left_out > 0 then
      left_out := left_out + case when token in ('{', '[') then 1 when token in ('}', ']') then -1 else 0 end;
      continue;
    end if;
    -- No list of more secrets is read by anyone, and each replacement makes the value longer.
    if count > 5000 then
      redacted := '"[redacted:many]"';
      count := 1;
      pointers := array[root];
      return;
    end if;
    if token = ',' then
      if depth > 0 and not is_object[depth] then
        names[depth] := names[depth]::integer + 1;
      end if;
    elsif right(token, 1) = ':' then
      string := rtrim(token, e': \t\n\r');
      names[depth] := case when strpos(string, '\') > 0 then auditbox.unescape(string) else substr(string, 2, length(string) - 2) end;
      kind := auditbox.kind_of_name(names[depth]);
      if may_hold_plainly or strpos(string, '\') > 0 then
        select r.redacted, r.count into replacement, more from auditbox.redact_text(names[depth], null, texts_in_texts) r;
        if replacement is not null then
          names[depth] := replacement;
          replacement := auditbox.to_json_text(replacement, string) || substr(token, length(string) + 1);
        end if;
      end if;
    else
      if left(token, 1) = '"' then
        if kind is not null or may_hold_plainly or strpos(token, '\') > 0 then
          string := case when strpos(token, '\') > 0 then auditbox.unescape(token) else substr(token, 2, length(token) - 2) end;
          select auditbox.to_json_text(r.redacted, token), r.count into replacement, more from auditbox.redact_text(string, kind, texts_in_texts) r;
        end if;
      elsif token in ('}', ']') then
        depth := depth - 1;
      elsif kind is null then
        if token in ('{', '[') then
          depth := depth + 1;
          is_object[depth] := token = '{';
          names[depth] := '0';
        end if;
      -- true, false and null tell nothing, and tokens are counted too.
      elsif token in ('{', '[') or token not in ('true', 'false', 'null') and kind <> 'token' then
        replacement := '"[redacted:' || kind || ']"';
        left_out := case when token in ('{', '[') then 1 else 0 end;
      end if;
      kind := null;
    end if;
    pieces := pieces || (parts[1] || coalesce(replacement, token));
    if replacement is not null then
      count := count + more;
      -- Of more there is one pointer to the whole value. A long pointer ends higher up.
      if count <= 100 then
        pointer := root;
        for level in 1..depth loop
          longer := pointer || '/' || replace(replace(names[level], '~', '~0'), '/', '~1');
          exit when length(longer) > 512;
          pointer := longer;
        end loop;
        if pointer <> all (pointers) then
          pointers := pointers || pointer;
        end if;
      end if;
    end if;
  end loop;
  if count > 0 then
    redacted := array_to_string(pieces, '') || right(given, length(given) - length(rtrim(given, e' \t\n\r')));
  end if;
  if count > 100 then
    pointers := array[root];
  end if;
end $$;
--> statement-breakpoint
-- Refuses a table whose changes could not be recorded because Citus distributes it, or the schema of Auditbox. Citus runs the triggers
-- of a distributed table on the node that has the rows, where the tables of Auditbox are not. A table that Citus manages at the
-- coordinator alone is in no group of colocated tables.
create function auditbox.require_capturable(target regclass) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  it record;
begin
  if to_regclass('pg_catalog.pg_dist_partition') is null then
    return;
  end if;
  execute 'select n.nspname, c.relname,
      exists (select from pg_catalog.pg_dist_partition p where p.logicalrelid = c.oid and p.colocationid <> 0) as is_distributed,
      exists (select from pg_catalog.pg_dist_partition p where p.logicalrelid = $2) as is_ours_distributed
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = $1'
    into it using target, 'auditbox.outbox'::regclass;
  if it.is_ours_distributed then
    raise exception '%.% cannot be captured: Citus distributes the schema of Auditbox, and capture does not work there', it.nspname, it.relname
      using errcode = 'wrong_object_type', hint = 'Let the application write the events of the table: POST /audit, or an INSERT into '
        || 'audit_log. Or use an Auditbox in a database or a schema that is not distributed.';
  elsif it.is_distributed then
    raise exception '%.% cannot be captured: Citus distributes it, and its triggers would make each write fail', it.nspname, it.relname
      using errcode = 'wrong_object_type', hint = 'Let the application write the events of the table: POST /audit, or an INSERT into audit_log.';
  end if;
end $$;
--> statement-breakpoint
create or replace function auditbox.capture(target regclass, key text[] default '{}', exclude text[] default '{}', mask text[] default '{}',
  ignore text[] default '{}', max_value integer default 16384, require_actor boolean default false, on_truncate text default 'refuse',
  name text default null)
returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform auditbox.require_capturable(target);
  perform auditbox.follow_rename(target);
  perform auditbox.install_capture(target, json_build_object('key', key, 'exclude', exclude, 'mask', mask, 'ignore', ignore,
    'max_value', max_value, 'require_actor', require_actor, 'on_truncate', on_truncate, 'name', name));
end $$;
--> statement-breakpoint
create or replace function auditbox.recapture(target regclass) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  stored json;
begin
  perform auditbox.require_capturable(target);
  perform auditbox.follow_rename(target);
  stored := auditbox.capture_options(target);
  if stored is null then
    raise exception '% is not captured', target using errcode = 'undefined_object';
  end if;
  perform auditbox.install_capture(target, stored);
end $$;
--> statement-breakpoint
revoke all on function auditbox.find_secret_end(text, text, text[], integer), auditbox.cut_windows(text[], text),
  auditbox.to_json_text(text, text), auditbox.require_capturable(regclass) from public;
