-- `record` replaces secrets as the api does, by the built-in rules: by names at any depth, and by form. The statements up to
-- redact_forms are printed by packages/db/generate/print-redaction.ts from the tables of packages/core.
-- Locks: none.
--
-- The kind of secret that a name shows. The name has no separators and is in lower case.
create or replace function auditbox.kind_of_plain_name(plain text) returns text
language sql immutable parallel safe
return case
  when plain like any (array['pass', 'pin', 'otp', 'mfacode', 'recoverycodes', 'backupcodes', '%password', '%passwd', '%pwd', '%passphrase', '%passwordhash', '%passcode']) then 'password'
  when plain like any (array['%secret', '%secrets', '%signingkey', '%encryptionkey', '%masterkey', '%hmackey']) then 'secret'
  when plain like any (array['%apikey', '%apikeys', '%accesskey', '%secretkey', '%subscriptionkey']) then 'api-key'
  when plain like any (array['%privatekey', '%sshkey', '%serviceaccountjson', '%serviceaccountkey']) then 'private-key'
  when plain like any (array['%token', '%jwt']) then 'token'
  when plain like any (array['%authorization']) then 'authorization'
  when plain like any (array['%cookie', '%cookies']) then 'cookie'
  when plain like any (array['%credential', '%credentials']) then 'credentials'
  when plain like any (array['dsn', '%connectionstring', '%connstr']) then 'connection-string'
  when plain like any (array['cvv', 'cvc', 'cardnumber']) then 'card-number'
end;
--> statement-breakpoint
-- A JSON text without the separators that names have, and without white space before a colon.
create or replace function auditbox.plain_names(given text) returns text
language sql immutable parallel safe
return replace(replace(replace(replace(replace(replace(replace(lower(given collate "C"), e'\t', ''), e'\n', ''), e'\r', ''), ' ', ''), '.', ''), '-', ''), '_', '');
--> statement-breakpoint
-- The kind of secret that a name shows; null if it does not say so. K and İ are the letters outside of ASCII that become ASCII in
-- lower case. Almost no name needs the regular expression.
create or replace function auditbox.kind_of_name(name text) returns text
language sql immutable parallel safe
return auditbox.kind_of_plain_name(case
  when name collate "C" ~ '[^A-Za-z0-9_. -]' then regexp_replace(
    lower(right(translate(name, e'\u212a\u0130', 'ki'), 64) collate "C"), '[\u0001-/:-`{-\u007f\u0080-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u00d7\u00f7\u02c2-\u02c5\u02d2-\u02df\u02e5-\u02eb\u02ed\u02ef-\u036f\u2000-\u206f\u2072-\u2073\u207a-\u207e\u208a-\u208f\u209d-\u2101\u2103-\u2106\u2108-\u2109\u2114\u2116-\u2118\u211e-\u2123\u2125\u2127\u2129\u212e\u213a-\u213b\u2140-\u2144\u214a-\u214d\u214f\u218a-\u245f\u249c-\u24e9\u2500-\u2775\u2794-\u2bff\u3000-\u3004\u3008-\u3020\u302a-\u3030\u3036-\u3037\u303d-\u303f\ufe00-\ufe6f\ufefd-\uff0f\U0001f000-\U0001f0ff\U0001f10d-\U0001faff]+', '', 'g')
  else auditbox.plain_names(right(name, 64)) end);
--> statement-breakpoint
-- Whether a text under a secret name is no secret: a hash, a mask, a reference, or replaced before.
create or replace function auditbox.is_harmless(given text, kind text) returns boolean
language sql immutable parallel safe
return given = '' or length(given) <= 128 and (
  kind in ('token', 'api-key') and given collate "C" ~ '^(?:[0-9a-fA-F]{64}|[A-Za-z0-9_-]{0,12}\.{3}[A-Za-z0-9_-]{0,8})$'
  or given collate "C" ~ '^(?:[^\n\r\u2028\u2029]{0,4}\*{3,}[^\n\r\u2028\u2029]{0,4}|\[redacted:[^\]]*\]|os\.environ/[A-Za-z0-9_]+)$');
--> statement-breakpoint
-- Whether strings of a JSON text may hold a secret by their form. The text has no escape of an ASCII character. A search for a text
-- costs a quarter of a microsecond, and a regular expression with all forms some hundred.
create or replace function auditbox.may_hold_form(given text) returns boolean
language sql immutable parallel safe
return (strpos(given, 'sk-') > 0) and given collate "C" ~ 'sk-[A-Za-z0-9_-]{12}'
  or (strpos(given, 'sk_live_') > 0 or strpos(given, 'sk_test_') > 0 or strpos(given, 'rk_live_') > 0 or strpos(given, 'rk_test_') > 0) and given collate "C" ~ '[rs]k_(?:live|test)_[A-Za-z0-9]{12}'
  or (strpos(given, 'AIza') > 0) and given collate "C" ~ 'AIza[A-Za-z0-9_-]{12}'
  or (strpos(given, 'abx_') > 0) and given collate "C" ~ 'abx_[a-z0-9]{1}'
  or (strpos(given, 'AKIA') > 0 or strpos(given, 'ASIA') > 0 or strpos(given, 'ABIA') > 0 or strpos(given, 'ACCA') > 0) and given collate "C" ~ 'A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{12}'
  or (strpos(given, 'gh') > 0) and given collate "C" ~ 'gh[pousr]_[A-Za-z0-9]{12}'
  or (strpos(given, 'github_pat_') > 0) and given collate "C" ~ 'github_pat_[A-Za-z0-9_]{12}'
  or (strpos(given, 'glpat-') > 0) and given collate "C" ~ 'glpat-[A-Za-z0-9_-]{12}'
  or (strpos(given, 'xox') > 0) and given collate "C" ~ 'xox[abeprs]-[A-Za-z0-9-]{10}'
  or (strpos(given, 'npm_') > 0) and given collate "C" ~ 'npm_[A-Za-z0-9]{12}'
  or (strpos(given, 'hf_') > 0) and given collate "C" ~ 'hf_[A-Za-z0-9]{12}'
  or (strpos(given, 'hv') > 0) and given collate "C" ~ 'hv[sb]\.[A-Za-z0-9_-]{12}'
  or (strpos(given, 'eyJ') > 0) and given collate "C" ~ 'eyJ[A-Za-z0-9_-]{8}'
  or (strpos(given, '-----BEGIN ') > 0) and given collate "C" ~ '-----BEGIN [A-Z0-9 ]*'
  or (strpos(given, 'Bearer ') > 0 or strpos(given, 'bearer ') > 0 or strpos(given, 'BEARER ') > 0 or strpos(given, 'Basic ') > 0 or strpos(given, 'basic ') > 0 or strpos(given, 'BASIC ') > 0) and given collate "C" ~ '(?:[Bb]earer|BEARER|[Bb]asic|BASIC) {1,8}[A-Za-z0-9._~+/=-]{12}'
  or (strpos(given, '://') > 0) and given collate "C" ~ '://[^\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff/:@"''<>]*:[^\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff/@"''<>]+(?:@)'
  or given collate "C" ~ '[='']|[A-Za-z](?:[\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]|\\[bfnrt]|\\u[0-9a-fA-F]{4})*:[\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff\\]'
    and given collate "C" ~* '(?:pass(?:word|wd|phrase|code)|pwd|secrets?|(?:api|access|private|secret|signing|encryption|master|hmac|ssh)[_-]?keys?|token|jwt|authorization|signature|credentials?|cookies?|conn(?:ection)?[_-]?str(?:ing)?)(?:''|(?:[\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]|\\[bfnrt]|\\u[0-9a-fA-F]{4})*)*[:=]';
--> statement-breakpoint
-- Whether members of a JSON text may hold a secret by their name. The text has no escape of an ASCII character. `names` is what
-- plain_names makes of it.
create or replace function auditbox.may_hold_name(given text, names text) returns boolean
language sql immutable parallel safe
return strpos(names, 'password":') > 0
  or strpos(names, 'passwd":') > 0
  or strpos(names, 'pwd":') > 0
  or strpos(names, 'passphrase":') > 0
  or strpos(names, 'passwordhash":') > 0
  or strpos(names, 'passcode":') > 0
  or strpos(names, '"pass":') > 0
  or strpos(names, '"pin":') > 0
  or strpos(names, '"otp":') > 0
  or strpos(names, '"mfacode":') > 0
  or strpos(names, '"recoverycodes":') > 0
  or strpos(names, '"backupcodes":') > 0
  or strpos(names, 'secret":') > 0
  or strpos(names, 'secrets":') > 0
  or strpos(names, 'signingkey":') > 0
  or strpos(names, 'encryptionkey":') > 0
  or strpos(names, 'masterkey":') > 0
  or strpos(names, 'hmackey":') > 0
  or strpos(names, 'privatekey":') > 0
  or strpos(names, 'sshkey":') > 0
  or strpos(names, 'serviceaccountjson":') > 0
  or strpos(names, 'serviceaccountkey":') > 0
  or strpos(names, 'authorization":') > 0
  or strpos(names, 'cookie":') > 0
  or strpos(names, 'cookies":') > 0
  or strpos(names, 'credential":') > 0
  or strpos(names, 'credentials":') > 0
  or strpos(names, 'connectionstring":') > 0
  or strpos(names, 'connstr":') > 0
  or strpos(names, '"dsn":') > 0
  or strpos(names, '"cvv":') > 0
  or strpos(names, '"cvc":') > 0
  or strpos(names, '"cardnumber":') > 0
  -- Another character in a name, such as an escape.
  or given collate "C" ~ '[^A-Za-z0-9_. "-][A-Za-z0-9_. -]*"[ \t\n\r]*:'
  or (strpos(names, 'apikey":') > 0
    or strpos(names, 'apikeys":') > 0
    or strpos(names, 'accesskey":') > 0
    or strpos(names, 'secretkey":') > 0
    or strpos(names, 'subscriptionkey":') > 0
    or strpos(names, 'token":') > 0
    or strpos(names, 'jwt":') > 0)
    and given collate "C" ~* '(?:t[^a-z0-9"]*o[^a-z0-9"]*k[^a-z0-9"]*e[^a-z0-9"]*n|j[^a-z0-9"]*w[^a-z0-9"]*t)[^a-z0-9"]*"\s*:(?!\s|null|true|false|""|"[0-9a-f]{64}"|"[A-Za-z0-9_-]{0,12}\.{3}[A-Za-z0-9_-]{0,8}"|[0-9-])|(?:a[^a-z0-9"]*p[^a-z0-9"]*i[^a-z0-9"]*k[^a-z0-9"]*e[^a-z0-9"]*y|a[^a-z0-9"]*p[^a-z0-9"]*i[^a-z0-9"]*k[^a-z0-9"]*e[^a-z0-9"]*y[^a-z0-9"]*s|a[^a-z0-9"]*c[^a-z0-9"]*c[^a-z0-9"]*e[^a-z0-9"]*s[^a-z0-9"]*s[^a-z0-9"]*k[^a-z0-9"]*e[^a-z0-9"]*y|s[^a-z0-9"]*e[^a-z0-9"]*c[^a-z0-9"]*r[^a-z0-9"]*e[^a-z0-9"]*t[^a-z0-9"]*k[^a-z0-9"]*e[^a-z0-9"]*y|s[^a-z0-9"]*u[^a-z0-9"]*b[^a-z0-9"]*s[^a-z0-9"]*c[^a-z0-9"]*r[^a-z0-9"]*i[^a-z0-9"]*p[^a-z0-9"]*t[^a-z0-9"]*i[^a-z0-9"]*o[^a-z0-9"]*n[^a-z0-9"]*k[^a-z0-9"]*e[^a-z0-9"]*y)[^a-z0-9"]*"\s*:(?!\s|null|true|false|""|"[0-9a-f]{64}"|"[A-Za-z0-9_-]{0,12}\.{3}[A-Za-z0-9_-]{0,8}")';
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
    here := here + case when place > 5 then length(groups[place])
      else strpos(substr(plain, here, 2), left(groups[place], 1)) - 1 end;
    if kind_of_form[place] in ('private-key') then
      stop := coalesce(nullif(regexp_instr(plain, '-----END [^-]{0,60}-----', stop, 1, 1), 0), whole);
    end if;
    -- Of very many secrets no list is kept.
    if cardinality(starts) >= 500 then
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
      stop := case when cardinality(starts) >= 2 * 500 then whole
        else here + length(substring(substr(plain, here) from case substr(plain, here - 1, 1)
          when '"' then '^(?:[^"\\]|\\.)*'
          when '''' then '^(?:[^''\\]|\\.)*'
          else '^[^\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff&;,"''<>\\]*' end)) end;
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
end $$;
--> statement-breakpoint
-- The text of a JSON string. Half of a surrogate pair and \u0000 become other characters, because Postgres has no such text.
create function auditbox.unescape(string text) returns text
language plpgsql immutable strict set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
begin
  return string::json #>> '{}';
exception when others then
  return replace(replace(replace(replace(string, '\\', '\u005c'), '\u0000', '\ufffd'), '\ud', '\u1'), '\uD', '\u1')::json #>> '{}';
end $$;
--> statement-breakpoint
-- Whether the api would read a text as JSON inside of a text.
create function auditbox.is_json_text(given text) returns boolean
language plpgsql immutable strict set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
begin
  return given::json is not null and not auditbox.nests_deeper(given, 128);
exception when others then
  return false;
end $$;
--> statement-breakpoint
-- Replaces the secrets of a text: all of it under a secret name, or what looks like a secret, or what JSON in it holds. Null if there
-- is nothing to replace. `count` says how many secrets were replaced.
create function auditbox.redact_text(given text, kind text, texts_in_texts integer, out redacted text, out count integer)
language plpgsql immutable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
begin
  if kind is not null then
    redacted := case when not auditbox.is_harmless(given, kind) then '[redacted:' || kind || ']' end;
    count := 1;
  elsif texts_in_texts > 0 and given ~ '^[ \t\n\r]*[{[]' and auditbox.is_json_text(given) then
    select r.redacted, r.count into redacted, count from auditbox.redact_json(given, '', texts_in_texts - 1) r;
  else
    redacted := auditbox.redact_forms(given);
    count := 1;
  end if;
end $$;
--> statement-breakpoint
-- Replaces the secrets of a JSON text, and leaves every other character. It works on the tokens of the text, because printing a
-- parsed value again would change numbers. `redacted` is null if there is nothing to replace. `pointers` are JSON Pointers
-- (RFC 6901) to what was replaced, behind `root`.
create function auditbox.redact_json(given text, root text, texts_in_texts integer, out redacted text, out count integer, out pointers text[])
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
          replacement := to_json(replacement)::text || substr(token, length(string) + 1);
        end if;
      end if;
    else
      if left(token, 1) = '"' then
        if kind is not null or may_hold_plainly or strpos(token, '\') > 0 then
          string := case when strpos(token, '\') > 0 then auditbox.unescape(token) else substr(token, 2, length(token) - 2) end;
          select to_json(r.redacted)::text, r.count into replacement, more from auditbox.redact_text(string, kind, texts_in_texts) r;
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
-- Replaces the secrets of an event: of its texts and values in the order of their columns. `redacted` lists the places as a JSON array;
-- null if nothing was replaced.
create function auditbox.redact_event(inout texts text[], inout vals json[], out redacted json)
language plpgsql immutable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
declare
  text_names constant text[] := array['changed_by', 'changed_by_api_key', 'action', 'table_name', 'object_id'];
  value_names constant text[] := array['before_value', 'updated_values', 'context'];
  it record;
  value text;
  names text;
  places text[] := '{}';
begin
  -- A text with quotes may be JSON with secret names.
  if auditbox.may_hold_form(array_to_string(texts, e'\n')) or strpos(array_to_string(texts, ''), '"') > 0 then
    for place in 1..cardinality(texts) loop
      select r.* into it from auditbox.redact_text(texts[place], null, 3) r;
      continue when it.redacted is null;
      -- The hash is what LiteLLM stores for a key, so the events of one key stay together.
      texts[place] := case
        when text_names[place] in ('object_id', 'changed_by_api_key') and texts[place] collate "C" ~ '^sk-[A-Za-z0-9_-]{16,}$'
          then encode(sha256(convert_to(texts[place], 'UTF8')), 'hex')
        else it.redacted end;
      places := places || ('/' || text_names[place]);
    end loop;
  end if;
  for place in 1..cardinality(vals) loop
    value := vals[place]::text;
    names := auditbox.plain_names(value);
    if auditbox.may_hold_secret('', value, names) then
      select r.* into it from auditbox.redact_json(value, '/' || value_names[place], 3) r;
      if it.redacted is not null then
        vals[place] := it.redacted::json;
        places := places || it.pointers;
      end if;
    end if;
  end loop;
  if cardinality(places) > 0 then
    redacted := ('[' || (select string_agg(to_json(place)::text, ',' order by number)
      from unnest(places) with ordinality as each (place, number)) || ']')::json;
  end if;
end $$;
--> statement-breakpoint
-- Whether an event may hold a secret. Almost every event is decided here. `names` is what plain_names makes of the values.
create function auditbox.may_hold_secret(texts text, vals text, names text) returns boolean
language sql immutable parallel safe
return auditbox.may_hold_name(vals, names) or auditbox.may_hold_form(vals) or auditbox.may_hold_form(texts) or strpos(texts, '"') > 0
  -- An escape that can hide a name or a form: a quote, a slash, an ASCII character by its number.
  or strpos(vals, '\') > 0 and vals collate "C" ~ '\\(?:["/]|u00[2-7])';
--> statement-breakpoint
-- A keyed hash of an event before its secrets were replaced, by which `record` finds the same event again. It is keyed, because a
-- plain hash of a short secret can be guessed by anyone who reads the table.
create function auditbox.hash_content(texts text[], vals json[]) returns bytea
language plpgsql stable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
declare
  key constant text := auditbox.content_key();
  content text := '';
begin
  for place in 1..cardinality(texts) loop
    content := content || coalesce(length(texts[place]) || ':' || texts[place], '-') || e'\x1f';
  end loop;
  -- Blanks between tokens do not count.
  for place in 1..cardinality(vals) loop
    content := content || coalesce(regexp_replace(vals[place]::text, '("(?:[^"\\]|\\.)*")|[ \t\n\r]+', '\1', 'g'), '') || e'\x1f';
  end loop;
  return substr(sha256(convert_to(key || encode(sha256(convert_to(key || content, 'UTF8')), 'hex'), 'UTF8')), 1, 16);
end $$;
--> statement-breakpoint
revoke all on function auditbox.kind_of_plain_name(text), auditbox.kind_of_name(text), auditbox.is_harmless(text, text),
  auditbox.may_hold_form(text), auditbox.may_hold_name(text, text), auditbox.plain_names(text), auditbox.redact_forms(text), auditbox.unescape(text),
  auditbox.is_json_text(text), auditbox.redact_text(text, text, integer), auditbox.redact_json(text, text, integer),
  auditbox.redact_event(text[], json[]), auditbox.may_hold_secret(text, text, text), auditbox.hash_content(text[], json[]) from public;
--> statement-breakpoint
create or replace function auditbox.record(
  changed_by text, action text, table_name text, object_id text,
  updated_values json default null, before_value json default null, context json default null,
  changed_by_api_key text default '', updated_at timestamptz default null, id uuid default null)
returns uuid
language plpgsql security definer
set search_path = pg_catalog, pg_temp set row_security = off set TimeZone = 'UTC' as $$
#variable_conflict use_column
declare
  event_id uuid := coalesce(record.id, gen_random_uuid());
  event_time timestamptz := coalesce(record.updated_at, statement_timestamp());
  violated text;
  stored auditbox.audit_log;
  found_id uuid;
  texts text[] := array[record.changed_by, record.changed_by_api_key, record.action, record.table_name, record.object_id];
  vals json[] := array[record.before_value, record.updated_values, record.context];
  places json;
  sent_hash bytea;
  all_texts constant text := array_to_string(texts, e'\n');
  all_values constant text := concat_ws(e'\n', record.before_value::text, record.updated_values::text, record.context::text);
  names constant text := auditbox.plain_names(all_values);
begin
  if event_time < clock_timestamp() - interval '400 days' and not pg_has_role(session_user,
      (select n.nspowner from pg_namespace n where n.nspname = 'auditbox'), 'member') then
    raise exception 'the event time of % is more than 400 days ago', event_id
      using errcode = 'check_violation', constraint = 'audit_log_occurred_at_too_old', detail = event_id::text;
  end if;
  if auditbox.may_hold_secret(all_texts, all_values, names) then
    select r.texts, r.vals, r.redacted into texts, vals, places from auditbox.redact_event(texts, vals) r;
    if places is not null then
      sent_hash := auditbox.hash_content(
        array[record.changed_by, record.changed_by_api_key, record.action, record.table_name, record.object_id],
        array[record.before_value, record.updated_values, record.context]);
    end if;
  end if;
  for try in 1..3 loop
    begin
      insert into auditbox.audit_log as a (id, occurred_at, changed_by, changed_by_api_key, action, table_name, object_id,
        before_value, updated_values, context, redacted, content_hash)
      values (event_id, event_time, texts[1], texts[2], texts[3], texts[4], texts[5], vals[1], vals[2], vals[3], places, sent_hash)
      on conflict do nothing
      returning a.id into found_id;
      if found_id is not null then
        return found_id;
      end if;
      exit;
    exception
      when unique_violation then
        exit;
      when check_violation then
        get stacked diagnostics violated = constraint_name;
        if violated <> '' or try = 3 or auditbox.make_month(event_time) is null then
          raise;
        end if;
    end;
  end loop;
  select a.* into stored
  from auditbox.outbox o join auditbox.audit_log a on a.id = o.audit_id and a.occurred_at = o.occurred_at
  where o.audit_id = event_id;
  if stored.id is null then
    raise exception 'an event with the id % was recorded before, and retention removed it', event_id
      using errcode = 'unique_violation', constraint = 'outbox_audit_id', table = 'outbox', detail = event_id::text;
  end if;
  -- Another writer's id is refused in the same words whatever that event holds.
  if stored.recorded_by not in ('', 'sql:' || session_user) then
    raise exception 'the id % belongs to an event of another writer', event_id
      using errcode = 'unique_violation', constraint = 'outbox_audit_id', table = 'outbox', detail = event_id::text,
            hint = 'Give the event another id.';
  end if;
  -- A redacted value cannot be compared. One that was stored before `record` replaced secrets can.
  if (case when stored.redacted is not null then
      stored.content_hash is distinct from coalesce(sent_hash, auditbox.hash_content(
        array[record.changed_by, record.changed_by_api_key, record.action, record.table_name, record.object_id],
        array[record.before_value, record.updated_values, record.context]))
    else
      (stored.changed_by, stored.changed_by_api_key, stored.action, stored.table_name, stored.object_id,
        stored.before_value::text::jsonb, stored.updated_values::text::jsonb, stored.context::text::jsonb)
      is distinct from (record.changed_by, record.changed_by_api_key, record.action, record.table_name, record.object_id,
        record.before_value::text::jsonb, record.updated_values::text::jsonb, record.context::text::jsonb)
    end) or record.updated_at <> stored.occurred_at then
    raise exception 'the id % is stored with another content', event_id
      using errcode = 'unique_violation', constraint = 'outbox_audit_id', table = 'outbox', detail = event_id::text,
            hint = 'An event never changes. Give the new event another id.';
  end if;
  return event_id;
end $$;
