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
    'AUDIT_RECEIPTS_KEY_FILE is "/nowhere"; it must be the path of an Ed25519 private key',
  );
});

test('settings cannot be changed', () => {
  const settings = readApiSettings(least);
  for (const value of [settings, settings.listen, settings.reads, settings.metricsAccess, settings.actions])
    expect(Object.isFrozen(value)).toBe(true);
});
