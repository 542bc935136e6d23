import { createAuditEvent } from '@auditbox/core/event/create-audit-event.ts';
import { isPlainName } from '@auditbox/core/event/plain-name.ts';
import { findBoundsProblems, keyBoundsSchema } from '@auditbox/core/keys/key-bounds.ts';
import { expandGrants } from '@auditbox/core/keys/scopes.ts';
import { matchesGlob } from '@auditbox/core/text/glob.ts';
import { expect, test } from 'vitest';
import { leastProcessorMs } from './processor-time.ts';

test.each([
  ['svc-*', 'svc-billing', true],
  ['svc-*', 'svc', false],
  ['*', '', true],
  ['*@example.com', 'ana@example.com', true],
  ['*@example.com', 'ana@example.com.evil', false],
  ['a*b*c', 'a-b-b-c', true],
  ['a*b*c', 'a-b-b', false],
  ['a.c', 'abc', false],
])('the pattern %s on %s: %s', (pattern, text, matches) => {
  expect(matchesGlob(pattern, text)).toBe(matches);
});

test('no pattern takes more than its length times that of the text', () => {
  const match = () => expect(matchesGlob('*a'.repeat(100), `${'a'.repeat(99)}${'b'.repeat(2_000)}`)).toBe(false);
  // A search that goes back at each star would not end.
  expect(leastProcessorMs(match)).toBeLessThan(200);
});

test.each([
  '\u0000',
  '\ud800',
  '\udc00',
  '\n',
  '\u007f',
  '\u0085',
  '\u200b',
  '\u200d',
  '\u200e',
  '\u202e',
  '\u2066',
  '\ufeff',
  '\u00ad',
  '\u{e0041}',
  // A joiner, fillers, a selector of a variant, and controls of music and shorthand: nobody sees them.
  ...['\u034f', '\u115f', '\u1160', '\u17b4', '\u180b', '\u3164', '\ufe00', '\ufe0f', '\uffa0', '\ufff0'],
  ...['\u2764\ufe0f\ufe0f', '\u0031\ufe0f', '\u{1bca0}', '\u{1d173}', '\u{e0100}', '\u2028', '\u206a'],
])('a name with %j is not plain', (character) => {
  expect(isPlainName(`ana${character}`)).toBe(false);
});

test.each([' ', '   ', '\u00a0', '\u3000', '\u2003\u2009', '\u2800'])('a name of blanks, %j, is not plain', (name) => {
  expect(isPlainName(name)).toBe(false);
});

test.each([
  '',
  'ana@example.com',
  'Ana Žluťoučká',
  '安娜',
  'हिन्दी',
  '🐎',
  'a b',
  '-',
  '\u0301a',
  'e\u0301',
  'ana \u2764\ufe0f',
])('the name %s is plain', (name) => {
  expect(isPlainName(name)).toBe(true);
});

const event = createAuditEvent({
  changed_by: 'svc-billing',
  changed_by_api_key: 'another-key',
  action: 'updated',
  table_name: 'invoices',
  object_id: '1',
});
const paths = (bounds: object) =>
  findBoundsProblems(keyBoundsSchema.parse(bounds), 'its-id', event).map(({ path }) => path);

test('a key without bounds may write any name, and no other API key', () => {
  expect(paths({})).toEqual(['changed_by_api_key']);
  expect(paths({ signs_keys: true })).toEqual([]);
  expect(findBoundsProblems({}, 'another-key', event)).toEqual([]);
  expect(findBoundsProblems({}, 'its-id', { ...event, changedByApiKey: '' })).toEqual([]);
});

test('each bound names the field that breaks it', () => {
  const bounds = { signs_keys: true, changed_by: ['cron', 'job-*'], table_name: ['teams'], action: ['deleted'] };
  expect(paths(bounds)).toEqual(['changed_by', 'table_name', 'action']);
  expect(paths({ ...bounds, changed_by: ['svc-*'], table_name: ['inv*'], action: ['*'] })).toEqual([]);
});

test.each([
  { addresses: ['10.0.0.0/33'] },
  { addresses: ['host'] },
  { changed_by: [] },
  { unknown: 1 },
  { action: ['a\n'] },
])('the bounds %j are refused', (bounds) => {
  expect(keyBoundsSchema.safeParse(bounds).success).toBe(false);
});

test('bundles stand for their scopes', () => {
  expect([...expandGrants(['read'])]).toEqual(['audit:read', 'export:read']);
  expect([...expandGrants(['write', 'keys:admin'])]).toEqual(['audit:write', 'keys:admin']);
  expect(expandGrants(['admin']).size).toBe(5);
});
