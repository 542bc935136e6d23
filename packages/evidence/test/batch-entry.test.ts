import { expect, test } from 'vitest';
import { type BatchEntry, formatBatchEntry, noPrevious, parseBatchEntry } from '../src/batch-entry.ts';
import { formatCheckpoint, parseCheckpoint } from '../src/checkpoint.ts';

const someEntry: BatchEntry = {
  origin: 'audit.example.com/prod/s3',
  index: 12_345,
  previous: noPrevious,
  key: 'dt=2026-07-03/hour=11/114650_000000000042_0123456789ab.ndjson.gz',
  tenant: null,
  rows: 10_000,
  bytes: 9_452_185,
  sha256: 'a'.repeat(64),
  lines: 'b'.repeat(64),
  objectBytes: 2_250_328,
  objectSha256: 'c'.repeat(64),
  first: '2026-07-03T11:46:50.123456Z',
  last: '2026-07-03T11:59:59.999999Z',
  recordedFirst: '2026-07-03T11:46:50.200000Z',
  recordedLast: '2026-07-03T12:00:01.000000Z',
  logged: '2026-07-03T12:00:12.000000Z',
};

const text = `auditbox-batch v1
origin audit.example.com/prod/s3
index 12345
previous 0000000000000000000000000000000000000000000000000000000000000000
key dt=2026-07-03/hour=11/114650_000000000042_0123456789ab.ndjson.gz
rows 10000
bytes 9452185
sha256 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
lines bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
object-bytes 2250328
object-sha256 cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc
first 2026-07-03T11:46:50.123456Z
last 2026-07-03T11:59:59.999999Z
recorded-first 2026-07-03T11:46:50.200000Z
recorded-last 2026-07-03T12:00:01.000000Z
logged 2026-07-03T12:00:12.000000Z
`;

test('the text of an entry never changes', () => {
  expect(formatBatchEntry(someEntry)).toBe(text);
  expect(parseBatchEntry(text)).toEqual(someEntry);
});

test('an entry may name its tenant', () => {
  const entry = { ...someEntry, tenant: 'Acme & Söhne' };
  expect(formatBatchEntry(entry)).toContain('.gz\ntenant Acme%20%26%20S%C3%B6hne\nrows ');
  expect(parseBatchEntry(formatBatchEntry(entry))).toEqual(entry);
});

test.each([
  ['with a line more', `${text}more 1\n`],
  ['without its last newline', text.slice(0, -1)],
  ['with a leading zero', text.replace('rows 10000', 'rows 010000')],
  ['with two blanks', text.replace('rows 10000', 'rows  10000')],
  ['with another order', text.replace('rows 10000\nbytes 9452185', 'bytes 9452185\nrows 10000')],
  ['with capital digits', text.replace('aaaa', 'AAAA')],
  ['with a time that no calendar has', text.replaceAll('2026-07-03T12', '2026-13-45T99')],
  ['of another version', text.replace('v1', 'v2')],
])('a text %s is not an entry', (_what, given) => {
  expect(parseBatchEntry(given)).toBeNull();
});

test('a checkpoint is its three lines, and no fourth', () => {
  const checkpoint = { origin: 'audit.example.com/prod/s3', size: 70_000, root: Buffer.alloc(32, 7) };
  const body = 'audit.example.com/prod/s3\n70000\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n';
  expect(formatCheckpoint(checkpoint)).toBe(body);
  expect(parseCheckpoint(body)).toEqual(checkpoint);
  expect(parseCheckpoint(`${body}more\n`)).toBeNull();
  expect(parseCheckpoint(body.replace('70000', '070000'))).toBeNull();
});
