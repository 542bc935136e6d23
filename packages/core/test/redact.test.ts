import { hash } from 'node:crypto';
import { eventReader } from '@auditbox/core/event/read-event.ts';
import type { JsonText } from '@auditbox/core/json/json-text.ts';
import { createRedactor, type RedactOptions } from '@auditbox/core/redact/redact-event.ts';
import { nameKinds } from '@auditbox/core/redact/secret-names.ts';
import { valueKinds } from '@auditbox/core/redact/secret-values.ts';
import { finish } from '@auditbox/core/steps.ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { leastProcessorMs } from './processor-time.ts';

const readEvent = eventReader('any');
const sha256 = (text: string) => hash('sha256', text);
const create = (options: Partial<RedactOptions> = {}) =>
  createRedactor({ names: [], prefixes: [], skippedKinds: [], digest: null, sha256, ...options });
const redactor = create();

/** Redacts an event whose `updated_values` is this JSON text. */
function redact(updatedValues: string, by = redactor, more = '') {
  const read = readEvent(
    `{"changed_by":"ana","action":"updated","table_name":"teams","object_id":"1"${more},"updated_values":${updatedValues}}`,
  );
  if (!read.ok) throw new Error(JSON.stringify(read.problems));
  const { event, redacted, kinds } = finish(by.redactEvent(read.value));
  return { text: event.updatedValues as string, places: redacted === null ? null : JSON.parse(redacted), kinds, event };
}

const body = 'A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8S9t0';
const jwt = `eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.${body}`;
const pem = `-----BEGIN RSA PRIVATE KEY-----\nMIIE${body}\n${body}\n-----END RSA PRIVATE KEY-----`;

test.each([
  ['api_key', 'api-key'],
  ['apiKey', 'api-key'],
  ['X-API-Key', 'api-key'],
  ['OPENAI_API_KEY', 'api-key'],
  ['litellm.token', 'token'],
  ['password', 'password'],
  ['DB Password', 'password'],
  ['client_secret', 'secret'],
  ['Authorization', 'authorization'],
  ['proxy-authorization', 'authorization'],
  ['private_key', 'private-key'],
  ['aws_secret_access_key', 'api-key'],
  ['Set-Cookie', 'cookie'],
  ['pin', 'password'],
])('the value of a member named %s is replaced at any depth', (name, kind) => {
  const nested = redact(`{"a":[{"n":1},{"${name}":"hunter2-x","b":1.10}]}`);
  expect(nested.text).toBe(`{"a":[{"n":1},{"${name}":"[redacted:${kind}]","b":1.10}]}`);
  expect(nested.places).toEqual([`/updated_values/a/1/${name.replaceAll('/', '~1')}`]);
  expect(nested.kinds).toEqual([kind]);
});

test.each([
  'max_tokens',
  'key_name',
  'token_id',
  'public_key',
  'shipping',
  'object_key_hash',
  'passenger',
  'secretary',
])('the value of a member named %s stays', (name) => {
  expect(redact(`{"${name}":"value"}`)).toMatchObject({ text: `{"${name}":"value"}`, places: null });
});

test.each([
  ['api-key', `sk-${body}`],
  ['api-key', `sk-proj-${body}-${body}`],
  ['api-key', `sk-ant-api03-${body}`],
  ['api-key', `sk_live_${body}`],
  ['api-key', `AIza${body.slice(0, 35)}`],
  ['api-key', `abx_live_${body.slice(0, 38)}`],
  ['aws-key', 'AKIAIOSFODNN7EXAMPLE'],
  ['token', `ghp_${body}`],
  ['token', `github_pat_${body}${body}`],
  ['token', `glpat-${body}`],
  ['token', `xoxb-${body}`],
  ['token', `npm_${body}`],
  ['token', `hf_${body}`],
  ['token', `hvs.${body}`],
  ['jwt', jwt],
  ['private-key', pem],
  ['assignment', `hunter2-${body}`, 'https://example.com/?api_key=', '&page=2'],
  ['assignment', 'hunter2-secret', 'host=db user=u password=', ' port=5432'],
  ['assignment', 'correct horse', "{'user': 'ana', 'password': '", "', 'n': 1}"],
  ['assignment', '1234', "{'passcode': '", "'}"],
  ['assignment', '12345678', "{'api_key': ", ', True}'],
  ['assignment', String.raw`a\"b c`, '{"password": "', '", "cut": tr'],
  ['assignment', 'hunter two', '{"rpm": 1, "password": "', ''],
  ['assignment', '12345678', '{"rpm": 1, "secret_key": ', ', "cut'],
  ['assignment', 'hunter2', '{"rpm":1,"signature":"', '"'],
  ['assignment', 'hunter2', 'user: ana\npassword: ', '\nport: 5432'],
  ['assignment', 'hunter two', 'user: ana\npassword: "', '"\nport: 5432'],
  ['assignment', 'hunter two', "connection_string='", "' # comment"],
  ['assignment', 'hunter2', 'encryption-key = ', '; port = 1'],
  ['assignment', 'hunter2', 'SECRET : ', ''],
  ['authorization', body, 'Authorization was Bearer ', ', he said'],
  ['authorization', 'dXNlcjpwYXNzd29yZA==', 'Basic ', ''],
  ['password', 'p-w0rd!', 'postgres://user:', '@db.example.com/app'],
  ['password', 'p-w0rd!', 'redis://:', '@cache:6379'],
])(
  'a text with a secret of the kind %s is replaced in that part',
  (kind, secret, before = 'it was ', after = ' then') => {
    const text = before + secret + after;
    const expected = `${before}[redacted:${kind}]${after}`;
    const { text: stored, places } = redact(`{"a":{"note":${JSON.stringify(text)}},"n":1e2}`);
    expect(stored).toBe(`{"a":{"note":${JSON.stringify(expected)}},"n":1e2}`);
    expect(places).toEqual(['/updated_values/a/note']);
  },
);

test.each([
  'The token: expired. Password: changed by ana',
  'secret = removed, api_key: rotated!',
  "it's a token: 'x'",
  'bypass=everything-2',
  'arn:aws:secretsmanager:eu-west-1:1:secret:prod/db-Ab12',
  'password: ********, token: os.environ/TOKEN1',
])('the sentence %j stays', (text) => {
  expect(redact(JSON.stringify(text))).toMatchObject({ text: JSON.stringify(text), places: null });
});

test.each([
  ['a hash of a key, as token', `{"token":"${'0f'.repeat(32)}","api_key":"${'a1'.repeat(32)}"}`],
  ['a masked key', '{"key_name":"sk-...9f2c","api_key":"sk-...9f2c","token":"sk-...abcd"}'],
  [
    'a UUID, an e-mail, a date',
    '{"id":"0198c5e2-7d6b-7c1e-9f43-2b1f6a7c8d90","user":"ana@example.com","at":"2026-07-03"}',
  ],
  ['words with a hyphen', '{"alias":"sk-learn-model-of-the-team","text":"Basic understanding-of-things"}'],
  ['a URL without a password', '{"url":"https://example.com:8080/a?b=c","mail":"mailto:ana@example.com"}'],
  ['a reference to a variable', '{"api_key":"os.environ/OPENAI_API_KEY","password":"os.environ/DB"}'],
  ['what is masked', '{"password":"********","secret":"[redacted:secret]"}'],
  ['a flag, null, nothing', '{"password":null,"secret":true,"token":"","api_key":false,"token":128000}'],
  ['digits and order', '{"b":12345678901234567890.10,"a":1.0,"a":-0,"u":"\\u00fc\\t"}'],
])('%s stays byte for byte', (_what, json) => {
  expect(redact(json)).toMatchObject({ text: json, places: null });
});

test('a number, a list and an object under a secret name are replaced as a whole', () => {
  expect(redact('{"pin":1234,"secrets":["a",{"b":1}],"credentials":{"user":"u","word":"w"},"x":1.0}').text).toBe(
    '{"pin":"[redacted:password]","secrets":"[redacted:secret]","credentials":"[redacted:credentials]","x":1.0}',
  );
});

test('an escape does not hide a name or a value', () => {
  expect(redact('{"pass\\u0077ord":"x1","u":"\\u0073k-A1b2C3d4E5f6G7h8I9"}').text).toBe(
    '{"pass\\u0077ord":"[redacted:password]","u":"[redacted:api-key]"}',
  );
  expect(redact('{"u":"postgres:\\/\\/u:geheim1@db"}').text).toBe('{"u":"postgres://u:[redacted:password]@db"}');
});

test.each([
  ['a line break', `OPENAI:\n${`sk-${body}`}\nmore`, '\\n'],
  ['a tab', `OPENAI\t${`sk-${body}`}`, '\\t'],
  ['a character that the sender escaped', `密钥：sk-${body}`, '\\uff1a'],
  ['a line break before the sign', 'password\n=hunter2-x', '\\n'],
  ['an escaped character in its value', 'password=grün-hunter2-x', '\\u00fc'],
  ['a line break, as a token', `first\nghp_${body}`, '\\n'],
  ['a backslash', `C:\\sk-${body}`, '\\\\'],
])('a secret in a text with %s is replaced, however the text is written', (_what, text, asWritten) => {
  const written = JSON.stringify(text).replace(
    /[\u0080-\uffff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  expect(written).toContain(asWritten);
  for (const value of [written, JSON.stringify(text), JSON.stringify(`{"note":${written}}`), `{"note":${written}}`]) {
    const { event, text: stored } = redact(value);
    expect(stored).not.toMatch(/A1b2C3d4E5f6G7h8|hunter2/);
    expect(redactor.isClean({ ...event, updatedValues: value as JsonText })).toBe(false);
  }
});

test.each([
  ['JSON', '{"password":"hunter2-x"}'],
  ['almost JSON', '"secret" : "hunter2-x"'],
])('a secret in a name of an event that is %s is replaced', (_what, name) => {
  const read = readEvent(JSON.stringify({ changed_by: 'ana', action: 'updated', table_name: 't', object_id: name }));
  if (!read.ok) throw new Error(JSON.stringify(read.problems));
  expect(redactor.isClean(read.value)).toBe(false);
  expect(finish(redactor.redactEvent(read.value)).event.objectId).not.toContain('hunter2');
});

test('JSON text inside a text is understood, and everything else in it stays as it was', () => {
  const inner = '{"team_id": "t-7", "api_key": "hunter2", "n": 1.10, "deep": "{\\"password\\": \\"x1\\"}"}';
  const { text, places } = redact(JSON.stringify(inner));
  expect(JSON.parse(text)).toBe(
    '{"team_id": "t-7", "api_key": "[redacted:api-key]", "n": 1.10, "deep": "{\\"password\\": \\"[redacted:password]\\"}"}',
  );
  // A pointer cannot lead into a text.
  expect(places).toEqual(['/updated_values']);
  const cut = redact(JSON.stringify('{"api_key": "hunter2", "n":'));
  expect(cut.text).toContain('[redacted:assignment]');
  expect(cut.text).not.toContain('hunter2');
});

test('a secret that is a name is replaced too, and the pointer does not hold it', () => {
  const { text, places } = redact(`{"sk-${body}":{"spend":1.50}}`);
  expect(text).toBe('{"[redacted:api-key]":{"spend":1.50}}');
  expect(places).toEqual(['/updated_values/[redacted:api-key]']);
});

test('a repeated name hides nothing', () => {
  expect(redact('{"a":{"password":"x1"},"a":1}').text).toBe('{"a":{"password":"[redacted:password]"},"a":1}');
});

test('names of the event are redacted; a whole key as object_id becomes its hash, as in LiteLLM', () => {
  const read = readEvent(
    `{"changed_by":"ana with ${jwt}","action":"updated","table_name":"keys","object_id":"sk-${body}","changed_by_api_key":"sk-${body}"}`,
  );
  if (!read.ok) throw new Error('invalid');
  const { event, redacted } = finish(redactor.redactEvent(read.value));
  expect(event).toMatchObject({
    changedBy: 'ana with [redacted:jwt]',
    objectId: sha256(`sk-${body}`),
    changedByApiKey: sha256(`sk-${body}`),
  });
  expect(JSON.parse(redacted ?? '')).toEqual(['/changed_by', '/changed_by_api_key', '/object_id']);
});

test('settings add names and prefixes, leave kinds, and add a digest that is equal for equal secrets', () => {
  const by = create({
    names: ['ssn'],
    prefixes: ['acme_'],
    skippedKinds: ['cookie', 'jwt'],
    digest: (s) => `d${s.length}`,
  });
  const { text } = redact(`{"SSN":"123-45","cookie":"a=b","t":"acme_A1b2C3d4E5f6G7h8","j":"${jwt}"}`, by);
  expect(text).toBe(`{"SSN":"[redacted:ssn:hmac:d6]","cookie":"a=b","t":"[redacted:token:hmac:d21]","j":"${jwt}"}`);
});

test('many secrets do not make the value or the list of places large', () => {
  const few = redact(`[${Array.from({ length: 200 }, () => '{"pin":1}').join()}]`);
  expect(few.places).toEqual(['/updated_values']);
  const many = redact(`[${Array.from({ length: 20_000 }, () => '{"pin":1}').join()}]`);
  expect(many).toMatchObject({ text: '"[redacted:many]"', places: ['/updated_values'] });
  const deep = redact(`${'{"n":'.repeat(120)}{"pin":1}${'}'.repeat(120)}`.replace('"n"', `"${'n'.repeat(100_000)}"`));
  expect(JSON.stringify(deep.places).length).toBeLessThan(600);
});

test('a text with very many secrets keeps none of them', () => {
  const { text } = redact(JSON.stringify({ a: `sk-${body} `.repeat(2_000), b: `token=${body} `.repeat(2_000) }));
  expect(text).not.toContain(body);
});

const mebibyte = 1024 * 1024 - 200;
const fill = (part: string) => part.repeat(Math.floor(mebibyte / part.length));
test.each([
  ['sk- without an end', fill('sk-')],
  ['eyJ without a dot', fill('eyJ')],
  ['eyJ with dots', fill('eyJabcdefghi.')],
  ['beginnings of PEM', fill('-----BEGIN PRIVATE KEY-----')],
  ['dashes', fill('-')],
  ['schemes', fill('://')],
  ['schemes with users', fill('://u:')],
  ['colons', `://${fill(':')}`],
  ['equals', fill('=')],
  ['assignments', fill('token=')],
  ['quotes', fill("'")],
  ['quotes with spaces', fill("'        ")],
  ['bearers', fill('Bearer ')],
  ['spaces behind a bearer', `Bearer${fill(' ')}`],
  ['lower case behind sk-', `sk-${fill('a')}`],
  ['letters', fill('p')],
  ['braces in a text', fill('{')],
])('a mebibyte of %s takes less than 50 ms of the processor', (_what, text) => {
  const { event } = redact(JSON.stringify({ a: text }), create({ skippedKinds: [...nameKinds, ...valueKinds] }));
  expect(leastProcessorMs(() => finish(redactor.redactEvent(event)))).toBeLessThan(50);
});

test('an escape of a separator in a name does not hide the name', () => {
  expect(redact('{"pass\\tword":"x1","api_key\\n":"x2"}').text).toBe(
    '{"pass\\tword":"[redacted:password]","api_key\\n":"[redacted:api-key]"}',
  );
});

test.each([
  [
    'LiteLLM',
    `{"token":"${'0f'.repeat(32)}","key_name":"sk-...2xpQ","policies":[],"models":["gpt-5"],"at":"2026-07-03T11:44:05Z"}`,
  ],
  ['LiteLLM as JSON text in a text', JSON.stringify(`{"token": "${'0f'.repeat(32)}", "key_name": "sk-...2xpQ"}`)],
  ['a person whose name is not ASCII', '{"team":"Größe 日本","url":"x"}'],
])('an event of %s is known to be clean without a walk over its tokens', (_what, json) => {
  expect(redactor.isClean(redact(json).event)).toBe(true);
});

test.each([
  ['single quotes', JSON.stringify("see {'password': 'hunter2-x'}")],
  ['a text that is almost JSON, with an odd blank', JSON.stringify('{"signature"\u2028: "hunter2-x"')],
  ['a name with an odd character', '{"pass\u2061word":"hunter2-x"}'],
  ['a query', '{"url":"/?a=1&token=hunter2-x"}'],
  ['cut JSON under a name that only texts assign to', JSON.stringify('{"signature":"hunter2-x a:"')],
  ['cut JSON, behind null', JSON.stringify('{"password": null-hunter2-x')],
  ['cut JSON, behind a number', JSON.stringify('{"token": 12-hunter2-x')],
])('an event with a secret in %s is not taken for clean', (_what, json) => {
  const { event, text } = redact(json);
  expect(text).not.toContain('hunter2');
  const given = { ...event, updatedValues: json as JsonText };
  expect(redactor.isClean(given)).toBe(false);
});

test('an event that is known to be clean holds nothing that the walk over its tokens replaces', () => {
  const pieces = [
    ...[
      'sk-',
      'sk_live_',
      'AKIA',
      'ghp_',
      'hf_',
      'eyJ',
      'Bearer ',
      'basic ',
      '-----BEGIN PRIVATE KEY-----',
      '://',
      'acme_',
    ],
    ...[
      'password',
      'PASS',
      'word',
      'api',
      'key',
      'token',
      'pin',
      'signature',
      'ssn',
      '_',
      '-',
      ' ',
      '.',
      '=',
      ':',
      '@',
    ],
    ...[
      '"',
      "'",
      '\\',
      '/',
      '\n',
      '\t',
      '{',
      '}',
      '[',
      ']',
      ',',
      '***',
      '": null',
      '": 12',
      '[redacted:x]',
      '\u2061',
      '\u212a',
      '\u2028',
      'ü',
      '日',
    ],
    ...[body, body.slice(0, 16), '0f'.repeat(32), 'x', '1'],
  ];
  const text = fc.array(fc.constantFrom(...pieces), { maxLength: 7 }).map((all) => all.join(''));
  const value = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      text,
      fc.constantFrom(null, true, 12),
      fc.dictionary(text, tie('value'), { maxKeys: 4 }),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.tuple(tie('value'), fc.constantFrom(0, 1)).map(([inner, indent]) => JSON.stringify(inner, null, indent)),
      fc.tuple(text, text).map(([a, b]) => `{"${a}":"${b}"`),
    ),
  })).value;
  const by = create({ names: ['ssn'], prefixes: ['acme_'] });
  let clean = 0;
  fc.assert(
    fc.property(text, value, value, (objectId, before, updated) => {
      const members = { changed_by: 'ana', action: 'updated', table_name: 't', object_id: `o${objectId}` };
      const read = readEvent(JSON.stringify({ ...members, before_value: before, updated_values: updated }));
      if (!read.ok || !by.isClean(read.value)) return;
      clean += 1;
      expect(finish(by.redactEvent(read.value)).redacted).toBeNull();
    }),
    { numRuns: 20_000 },
  );
  expect(clean).toBeGreaterThan(1_000);
});

test('for any value the result is JSON without secrets, and a second redaction changes nothing', () => {
  const secretName = fc.constantFrom('password', 'api_key', 'Client-Secret');
  const value = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.jsonValue().map((one) => JSON.stringify(one)),
      fc
        .string({ unit: 'binary' })
        .filter((s) => s.isWellFormed() && !s.includes('\0'))
        .map((one) => JSON.stringify(one)),
      fc.constantFrom('1.10', '1e400', '-0', '"\\u00e4\\/"', `"sk-${body}"`, '"a=b"', '"{\\"token\\":\\"abc\\"}"'),
      fc.array(tie('value') as fc.Arbitrary<string>, { maxLength: 4 }).map((all) => `[${all.join(', ')}]`),
      fc
        .array(fc.tuple(fc.oneof(secretName, fc.string()), tie('value') as fc.Arbitrary<string>), { maxLength: 4 })
        .map((all) => `{${all.map(([name, one]) => `${JSON.stringify(name)} : ${one}`).join(' , ')}}`),
    ),
  })).value as fc.Arbitrary<string>;
  fc.assert(
    fc.property(value, (json) => {
      fc.pre(!/\\u0000|\\ud[89a-f]/i.test(json));
      const { text, places } = redact(json);
      if (text === null) return;
      JSON.parse(text);
      if (places !== null) {
        expect(text).toContain('[redacted:');
        expect(redact(text)).toMatchObject({ text, places: null });
      }
      expect(text).not.toContain(body);
    }),
    { numRuns: 2_000 },
  );
});

test.each([
  ['ssn=123-45-6789', 'ssn=[redacted:assignment]'],
  ['SSN: 123-45-6789, paid', 'SSN: [redacted:assignment], paid'],
  ["{'ssn': '1', 'n': 2}", "{'ssn': '[redacted:assignment]', 'n': 2}"],
  ['{"a": {"ssn": "123456", "b":', '{"a": {"ssn": "[redacted:assignment]", "b":'],
  ['tax-id2=abc12345&n=1', 'tax-id2=[redacted:assignment]&n=1'],
  ['the TaxId2: abc12345', 'the TaxId2: [redacted:assignment]'],
  ['my_ssn=123-45-6789', null],
  ['lesson: 123-45-6789', null],
  ['ssn: unknown', null],
])('with further names, %j becomes %j', (text, expected) => {
  const by = create({ names: ['ssn', 'tax_id2'] });
  const { text: stored, places } = redact(JSON.stringify({ note: text }), by);
  expect(stored).toBe(JSON.stringify({ note: expected ?? text }));
  expect(places).toEqual(expected === null ? null : ['/updated_values/note']);
  expect(by.redactText(text)).toBe(expected ?? text);
  // Without them it is a text like any other.
  expect(redact(JSON.stringify({ note: text })).places).toBeNull();
});

test.each(['\t', '\n', '\f', '\v', '\u00a0', '\u2003', ' \t'])(
  'a blank such as %j before the colon hides nothing',
  (blank) => {
    for (const around of ['', 'ü ', 'a\n']) {
      const { text } = redact(JSON.stringify({ note: `${around}password${blank}: Hunter2x9` }));
      expect(text).not.toContain('Hunter2');
      const read = readEvent(
        JSON.stringify({
          changed_by: 'a',
          action: 'b',
          table_name: 'c',
          object_id: 'd',
          context: { n: `${around}password${blank}: Hunter2x9` },
        }),
      );
      expect(read.ok && redactor.isClean(read.value), JSON.stringify(around)).toBe(false);
    }
  },
);

test('the pass over an event finds what is assigned to further names, wherever it stands', () => {
  const by = create({ names: ['ssn', 'tax_id2'] });
  const read = (text: string) => {
    const event = readEvent(
      JSON.stringify({ changed_by: 'a', action: 'b', table_name: 'c', object_id: 'd', context: { text } }),
    );
    if (!event.ok) throw new Error(JSON.stringify(event.problems));
    return event.value;
  };
  for (const name of ['ssn', 'Tax-Id2', 's_s_n'])
    for (const sign of ['=', ': ', ' = ', "='", '\t:\t'])
      for (const around of ['', 'ü ', 'a\n', '"'])
        expect(by.isClean(read(`${around}${name}${sign}123-45-6789`)), JSON.stringify([around, name, sign])).toBe(
          false,
        );
  for (const text of ['12:30', 'a2: 5', 'passn=1234567', 'lessons = 123-45-6789'])
    expect(by.isClean(read(text))).toBe(true);
});
