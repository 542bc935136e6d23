import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseDestinations } from '../src/destinations/configured/parse-destinations.ts';

/* What a configuration may say, and that each mistake is named with its place. */

const folder = mkdtempSync(join(tmpdir(), 'auditbox-settings-'));
const secret = `whsec_${Buffer.alloc(32).toString('base64')}`;
const soc = { name: 'soc', type: 'webhook', url: 'https://soc.example/audit', secrets: [secret] };

/** How the file names a variable of the environment. */
const variable = (name: string) => `$\{${name}}`;

function parse(content: unknown, environment: Record<string, string> = {}, variables: object = {}) {
  const file = join(folder, 'destinations.json');
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return parseDestinations({ DESTINATIONS_FILE: file, ...variables }, environment);
}

const problemsOf = (...entries: unknown[]) => parse({ destinations: entries }).problems;

test('a destination needs a name, a type and what its type needs; everything else has a default', () => {
  const { settings, problems } = parse({ destinations: [soc] });
  expect(problems).toEqual([]);
  expect(settings.served).toMatchObject([
    {
      name: 'soc',
      type: 'webhook',
      selection: { format: 'auditbox', omit: [], only: null, except: null },
      history: null,
      paused: null,
      concurrency: 1,
      timeoutMs: 30_000,
    },
  ]);
  expect(settings.servesS3).toBe(true);
});

test('all wrong entries are named at once, with their place and the nearest known name', () => {
  expect(
    problemsOf(
      { ...soc, urll: 'x' },
      { ...soc, name: 'b', type: 'webhok' },
      { ...soc, name: 'c', format: 'ecss', concurrency: 0 },
      { ...soc, name: 'd', only: { actoin: ['created'] } },
      'nothing',
      { ...soc, name: 'e', type: 'constructor' },
    ),
  ).toEqual([
    'destinations[0].urll: unknown key. Did you mean url?',
    expect.stringMatching(/^destinations\[1\]\.type is "webhok"; it must be one of .* Did you mean webhook\?$/),
    expect.stringMatching(/^destinations\[2\]\.format is "ecss": /),
    expect.stringMatching(/^destinations\[2\]\.concurrency is 0: /),
    'destinations[3].only.actoin: unknown key.',
    'destinations[4] must be an object.',
    expect.stringMatching(/^destinations\[5\]\.type is "constructor"; it must be one of /),
  ]);
});

describe('secrets', () => {
  test('come from the environment, and one that is not set is named', () => {
    const entry = { ...soc, secrets: [variable('SOC_SECRET'), variable('SOC_OLD')] };
    expect(parse({ destinations: [entry] }, { SOC_SECRET: secret, SOC_OLD: secret }).problems).toEqual([]);
    expect(parse({ destinations: [entry] }, { SOC_SECRET: secret }).problems).toEqual([
      `destinations[0].secrets[1]: ${variable('SOC_OLD')} is not set.`,
    ]);
  });

  test('are in no message, wherever they stand', () => {
    const problems = [
      ...problemsOf({ ...soc, secrets: ['hunter2'] }),
      ...parse({ destinations: [{ ...soc, url: variable('U') }] }, { U: 'ftp://hunter2' }).problems,
      ...parseDestinations({ WEBHOOK_URL: 'https://x.example', WEBHOOK_SECRET: 'hunter2' }, {}).problems,
    ];
    expect(problems).toHaveLength(4);
    expect(problems.join()).not.toContain('hunter2');
    expect(problems.at(-1)).toMatch(/^WEBHOOK_SECRET .* in base64\.$/);
  });
});

test.each([
  ['http://soc.example', /plain http is accepted on loopback only/],
  ['ftp://soc.example', /must be an https URL, or http on loopback/],
  ['https://user:pw@soc.example', /must not hold a user or a password/],
])('%s is refused as a URL', (url, said) => {
  expect(problemsOf({ ...soc, url }).join()).toMatch(said);
});

test.each(['http://127.0.0.1:8088', 'http://localhost/x', 'http://[::1]:1'])('%s is loopback', (url) => {
  expect(problemsOf({ ...soc, url })).toEqual([]);
});

test('two destinations cannot share a name, and s3 is taken', () => {
  expect(problemsOf(soc, soc, { ...soc, name: 's3' })).toEqual([
    'destinations[1].name is "soc"; another destination has that name.',
    'destinations[2].name is "s3": s3 is the destination of the S3_ settings.',
  ]);
});

test('since is now, all, or a time', () => {
  const historyOf = (since: string) => parse({ destinations: [{ ...soc, since }] }).settings.all[0]?.history;
  expect(historyOf('now')).toBeNull();
  expect(historyOf('all')).toEqual({ since: null });
  expect(historyOf('2026-07-01')).toEqual({ since: '2026-07-01T00:00:00.000000Z' });
  expect(problemsOf({ ...soc, since: 'yesterday' }).join()).toMatch(/must be now, all, a date/);
});

test('DESTINATIONS narrows what a process serves, and an unknown name is a problem', () => {
  const narrowed = parse({ destinations: [soc, { ...soc, name: 'b' }] }, {}, { DESTINATIONS: ['b'] });
  expect(narrowed.settings.served.map(({ name }) => name)).toEqual(['b']);
  expect(narrowed.settings.servesS3).toBe(false);
  expect(parse({ destinations: [soc] }, {}, { DESTINATIONS: ['s3', 'socc'] }).problems).toEqual([
    'DESTINATIONS names "socc", which is not configured. Did you mean soc?',
  ]);
});

test.each([
  ['{', /DESTINATIONS_FILE is .*JSON/],
  ['[]', /must hold an object with an array/],
  ['{"destinations":[],"x":1}', /x: unknown key/],
])('a file of %s is refused', (content, said) => {
  expect(parse(content).problems.join()).toMatch(said);
});

test.each([
  ['logs-audit-{month}', true],
  ['{month}', false],
  ['audit-{day}', false],
  ['audit-{month', false],
  ['Audit', false],
])('the index %j of Elasticsearch is accepted: %j', (index, isAccepted) => {
  const problems = problemsOf({ name: 'siem', type: 'elastic', url: 'https://es.example', index });
  expect(problems).toEqual(isAccepted ? [] : [expect.stringMatching(/index is .* must be lower-case letters/)]);
});

describe('what would only fail later is named at the start', () => {
  const hec = { name: 'hec', type: 'splunk-hec', url: 'https://hec.example:8088', token: 't0k' };

  test.each([
    [{ ...hec, token: 't0k\n' }, /token \(not shown, because it is secret\): must not hold a line break/],
    [{ ...hec, token: 'tök\u20ac' }, /token .* must not hold a line break/],
    [{ ...soc, headers: { 'x-team': 'a\r\nx-evil: 1' } }, /headers.* must not hold a line break/],
    [{ ...hec, url: 'https://hec.example/?a=1' }, /must not have a query or a fragment/],
    [{ ...hec, url: 'https://hec.example/#a' }, /must not have a query or a fragment/],
    [{ ...soc, ca: import.meta.filename }, /ca is .*must be the path of a file in PEM/],
    [{ ...soc, secrets: [secret.replace('A', '!')] }, /24 to 64 bytes in base64/],
    [{ ...soc, secrets: [`${secret}AAAA`] }, /24 to 64 bytes in base64/],
    [{ ...soc, secrets: [secret.replace('AAAA', '--__')] }, /24 to 64 bytes in base64/],
  ])('%j', (entry, said) => {
    const problems = problemsOf(entry).join();
    expect(problems).toMatch(said);
    expect(problems).toMatch(/[^.]\.$/);
  });

  test.each([secret, secret.replaceAll('=', ''), secret.slice('whsec_'.length), `${secret}\n`])(
    'the secret %j is one',
    (one) => {
      expect(problemsOf({ ...soc, secrets: [one] })).toEqual([]);
    },
  );

  test('a URL in capitals, or with blanks around it, is the same URL', async () => {
    const { settings, problems } = parse({ destinations: [{ ...hec, url: ' HTTPS://HEC.example:8088// ' }] });
    expect(problems).toEqual([]);
    await expect(settings.all[0]?.create({ name: 'hec', log() {}, env: {} })).resolves.toBeDefined();
  });
});

test('a key that is set twice is named, wherever it stands: JSON would drop the first without a word', () => {
  const text = `{"destinations":[${JSON.stringify(soc).replace('"type"', '"url":"https://a.example","type"')}],"destinations":[]}`;
  expect(parse(text).problems).toEqual([
    'destinations[0].url is set twice in DESTINATIONS_FILE.',
    'destinations is set twice in DESTINATIONS_FILE.',
  ]);
});

test('a file that begins with the mark of its byte order is read', () => {
  expect(parse(`\ufeff${JSON.stringify({ destinations: [soc] })}`).problems).toEqual([]);
});

test.each(['{"token": hunter2hunter2}', '"hunter2" hunter2', '{"destinations":[{"token":"hunter2\n"}]}', 'hunter2'])(
  'the message about %j does not quote it',
  (text) => {
    const { problems } = parse(text);
    expect(problems).toEqual([expect.stringMatching(/JSON/)]);
    expect(problems.join()).not.toContain('hunter');
  },
);

test('two destinations cannot write to one folder, however it is named', () => {
  const file = (name: string, folder: string) => ({ name, type: 'file', folder });
  expect(
    problemsOf(file('a', folder), file('b', `${folder}/`), file('c', `${folder}/c`), file('d', `${folder}/e/../c`)),
  ).toEqual([
    'destinations[1].folder is that of a; each destination needs its own.',
    'destinations[3].folder is that of c; each destination needs its own.',
  ]);
});

test('a password in a URL is refused without being shown', () => {
  const urls = [
    'https://ana:hunter2@soc.example',
    'https://ana:hunter2/x@soc.example',
    'ftp://ana:hunter2@x@soc.example',
  ];
  const said = [
    ...urls.flatMap((url) => problemsOf({ ...soc, url })),
    ...parseDestinations({ WEBHOOK_URL: 'https://ana:hunter2@soc.example', WEBHOOK_SECRET: secret }, {}).problems,
  ];
  expect(said.length).toBeGreaterThan(urls.length);
  expect(said.join()).not.toContain('hunter2');
  expect(said[0]).toContain('"https://…@soc.example"');
});

test.each(['SOC-SECRET', 'SOC_SECRET:-none', '1SOC', ''])(
  'a reference to %j, which is not the name of a variable, is not sent as a secret',
  (name) => {
    const entry = { name: 'hec', type: 'splunk-hec', url: 'https://soc.example', token: variable(name) };
    expect(parse({ destinations: [entry] }, { SOC: 'x' }).problems).toEqual([
      `destinations[0].token: "$\{" must begin the name of a variable and "}", such as ${variable('SOC_SECRET')}.`,
    ]);
  },
);

test('the options of a module may hold any text', () => {
  const entry = { name: 'own', module: './own.mjs', options: { template: variable('event.id') } };
  expect(problemsOf(entry)).toEqual([]);
});

test('a secret that ends in a line break, as one from a file does, is refused', () => {
  const bucket = { name: 'copy', type: 's3', bucket: 'audit', accessKeyId: 'a', secretAccessKey: variable('S') };
  expect(parse({ destinations: [bucket] }, { S: 'hunter2\n' }).problems).toEqual([
    'destinations[0].secretAccessKey (not shown, because it is secret): must not hold a line break.',
  ]);
});

test.each([
  [{ 'X-Key': 'a', 'x-key': 'b' }, /must not be set twice/],
  [{ 'Content-Length': '1' }, /the exporter sets it/],
  [{ 'transfer-encoding': 'chunked' }, /the exporter sets it/],
])('the headers %j are refused', (headers, said) => {
  expect(problemsOf({ ...soc, headers }).join()).toMatch(said);
});
