import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { expect, test } from 'vitest';
import { readApiSettings } from '../src/settings.ts';

const least = { DATABASE_URL: 'postgres://localhost/audit' };

test('without optional settings the primary serves reads, /metrics is public and only stored keys are valid', () => {
  expect(readApiSettings(least)).toMatchObject({
    listen: { host: '127.0.0.1', port: 4000 },
    reads: { from: 'primary' },
    metricsAccess: { kind: 'public' },
    masterKey: null,
  });
});

test('a replica and a metrics token are settings with a kind and a value', () => {
  const settings = { ...least, DATABASE_READ_URL: 'postgres://replica/audit', METRICS_TOKEN: 'a-token-for-prometheus' };
  expect(readApiSettings(settings)).toMatchObject({
    reads: { from: 'replica', url: 'postgres://replica/audit' },
    metricsAccess: { kind: 'token', token: 'a-token-for-prometheus' },
  });
});

test('the mode hmac needs a key, and a kind that does not exist is named', () => {
  expect(readApiSettings(least).redact).toEqual({ kind: 'mask', names: [], prefixes: [], skippedKinds: [] });
  const hmac = { ...least, AUDIT_REDACT_MODE: 'hmac' };
  expect(() => readApiSettings(hmac)).toThrow('AUDIT_REDACT_MODE=hmac needs AUDIT_REDACT_KEY.');
  expect(() => readApiSettings({ ...least, AUDIT_REDACT_SKIP: 'jwt,pins' })).toThrow('AUDIT_REDACT_SKIP is "jwt,pins"');
});

test('receipts need a name and a key', () => {
  expect(readApiSettings(least).receiptSigner).toBeNull();
  const named = { ...least, AUDIT_RECEIPTS_ORIGIN: 'audit.example.com/receipts' };
  const sentence = 'AUDIT_RECEIPTS_ORIGIN and AUDIT_RECEIPTS_KEY_FILE are set together, or neither.';
  expect(() => readApiSettings(named)).toThrow(sentence);
  expect(() => readApiSettings({ ...named, AUDIT_RECEIPTS_KEY_FILE: '/nowhere' })).toThrow(
    'AUDIT_RECEIPTS_KEY_FILE is "/nowhere"; it must be the path of an Ed25519 private key in PEM (PKCS #8). The file cannot be read (ENOENT).',
  );
});

test('a PUBLIC_URL with which no link can begin is refused, and its password is not shown', () => {
  for (const url of ['https://h//auditbox', 'https://h/a?b', 'https://ana:hunter2@h/a', 'htp://ana:hunter2@h/a']) {
    const problem = readProblem({ ...least, PUBLIC_URL: url });
    expect(problem).toContain('PUBLIC_URL is "');
    expect(problem).not.toContain('hunter2');
  }
});

test('files of TLS that are missing, or do not belong together, are wrong settings', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tls-'));
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const [own, other] = await Promise.all(
    ['own.example.com', 'other.example.com'].map((value) => generate([{ name: 'commonName', value }])),
  );
  const cert = file('cert.pem', own?.cert ?? '');
  const read = (settings: Record<string, string>) => readProblem({ ...least, TLS_CERT_FILE: cert, ...settings });
  expect(read({ TLS_KEY_FILE: file('key.pem', own?.private ?? '') })).toBe('none');
  expect(read({ TLS_KEY_FILE: '/nowhere' })).toContain('TLS_KEY_FILE is "/nowhere". The file cannot be read (ENOENT).');
  expect(read({ TLS_KEY_FILE: file('other.pem', other?.private ?? '') })).toContain(
    'TLS_CERT_FILE and TLS_KEY_FILE cannot be used together: ',
  );
});

test('settings cannot be changed', () => {
  const settings = readApiSettings(least);
  for (const value of [settings, settings.listen, settings.reads, settings.metricsAccess, settings.actions])
    expect(Object.isFrozen(value)).toBe(true);
});

function readProblem(settings: Record<string, string>): string {
  try {
    readApiSettings(settings);
    return 'none';
  } catch (error) {
    return (error as Error).message;
  }
}

test('each cell has its schema, or that of DATABASE_SCHEMA', () => {
  const url = 'postgres://localhost/db';
  const settings = { DATABASE_CELLS: `a=${url} b@cell_b=${url}`, DATABASE_SCHEMA: 'audit', DATABASE_URL: url };
  expect(readApiSettings(settings).databases).toMatchObject({
    kind: 'cells',
    cells: [
      { name: 'a', schema: 'audit' },
      { name: 'b', schema: 'cell_b' },
    ],
  });
});

test('wrong lists of cells are refused with a sentence that names the entry and shows no URL', () => {
  const secret = 'hunter2hunter2';
  const url = `postgres://user:${secret}@localhost/db`;
  for (const [settings, sentence] of [
    [{ DATABASE_CELLS: `a=${url} a=${url}2` }, 'two cells with the name a'],
    [{ DATABASE_CELLS: `a=${url} ${url}2` }, 'entry 2 has no'],
    [{ DATABASE_CELLS: `a=${url} B=${url}2` }, 'entry 2 has no valid name'],
    [{ DATABASE_CELLS: `a=${url} b=http://${secret}/x` }, 'the URL of the cell b'],
    [{ DATABASE_CELLS: `a=${url} b=${url}` }, 'the cells a and b are the same database'],
    [{ DATABASE_CELLS: `a=${url}`, DATABASE_CELLS_BEFORE: 'b' }, 'the cell b is not in DATABASE_CELLS'],
    [
      { DATABASE_CELLS: `a=${url} b@audit=${url}`, DATABASE_SCHEMA: 'audit' },
      'the cells a and b are the same database',
    ],
    [{ DATABASE_CELLS: `a@=${url}` }, 'entry 1 has no valid schema'],
    [{ DATABASE_CELLS: `a=${url}`, DATABASE_URL: `${url}3` }, 'no cell is the database of DATABASE_URL'],
    [{ DATABASE_CELLS: `a@x=${url}`, DATABASE_URL: url }, 'no cell is the database of DATABASE_URL'],
    [{ DATABASE_CELLS: `a=${url}`, DATABASE_READ_URL: url }, 'replicas do not work with cells yet'],
    [{}, 'DATABASE_URL is not set'],
  ] as const) {
    const problem = readProblem(settings);
    expect(problem).toMatch(/^Wrong settings:/);
    expect(problem).toContain(sentence);
    expect(problem).not.toContain(secret);
  }
});
