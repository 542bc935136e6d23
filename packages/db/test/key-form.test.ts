import { createHmac } from 'node:crypto';
import { createAuditEvent } from '@auditbox/core/event/create-audit-event.ts';
import { createHasher } from '@auditbox/db/events/content-hash.ts';
import { apiKeyPrefix, isApiKeyForm, makeApiKey } from '@auditbox/db/keys/key-form.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { expect, test } from 'vitest';

test('a new key has its form, its own checksum and no twin', () => {
  const keys = Array.from({ length: 1_000 }, () => makeApiKey('live'));
  for (const key of keys) expect(key).toMatch(/^abx_live_[0-9A-Za-z]{38}$/);
  expect(keys.every(isApiKeyForm)).toBe(true);
  expect(new Set(keys).size).toBe(1_000);
  expect(apiKeyPrefix(keys[0] ?? '')).toMatch(/^abx_live_\w{4}$/);
});

test('a key with one wrong character is recognised without the database', () => {
  const key = makeApiKey('test');
  for (let at = 'abx_test_'.length; at < key.length; at += 1) {
    const other = key[at] === 'a' ? 'b' : 'a';
    expect(isApiKeyForm(key.slice(0, at) + other + key.slice(at + 1))).toBe(false);
  }
  for (const text of ['', 'abx_live_', 'Bearer', key.slice(1), `${key}x`, 'ab_short'])
    expect(isApiKeyForm(text)).toBe(false);
  expect(isApiKeyForm(`ab_${'x'.repeat(43)}`)).toBe(true);
});

const hmacKey = '0123456789abcdef'.repeat(4);
const hasher = createHasher(hmacKey);
const event = createAuditEvent(anEvent({ updated_values: { name: 'ž' } }));

test('a content hash is HMAC-SHA256 of the content, cut to 16 bytes', () => {
  const content = ['event', '', event.changedBy, '', event.action, event.tableName, '', event.beforeValue];
  const rest = [event.updatedValues, '', event.objectId.length, event.objectId, ''];
  const expected = createHmac('sha256', hmacKey)
    .update([...content, ...rest].join('\x1f'))
    .digest('hex')
    .slice(0, 32);
  expect(hasher.hash(event)).toBe(expected);
});

test('a content hash changes with every part of the content, with what is added, and with the key', () => {
  const changes = [
    { changedBy: 'x' },
    { changedByApiKey: 'x' },
    { action: 'x' },
    { tableName: 'x' },
    { objectId: 'x' },
    { tenant: 'x' },
    { beforeValue: '1' },
    { updatedValues: '1' },
    { context: '{}' },
    { occurredAt: { utc: '2026-07-03T11:46:50.000000Z', fractionDigits: 0 } },
  ] as const;
  const hashes = [
    ...changes.map((change) => hasher.hash({ ...event, ...change } as never)),
    hasher.hash(event),
    hasher.hash(event, 'more'),
    createHasher('f'.repeat(64)).hash(event),
  ];
  expect(new Set(hashes).size).toBe(hashes.length);
});

test('an id that follows from a request is a UUID, the same each time, and differs by writer, key and place', () => {
  const ids = [
    hasher.deriveId('key:1:a', 'k', 0),
    hasher.deriveId('key:1:a', 'k', 1),
    hasher.deriveId('key:1:a', 'l', 0),
    hasher.deriveId('key:2:a', 'k', 0),
  ];
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(new Set(ids).size).toBe(4);
  expect(hasher.deriveId('key:1:a', 'k', 0)).toBe(ids[0]);
});
