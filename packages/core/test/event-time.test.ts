import { expect, test } from 'vitest';
import { lowerBound, parseEventTime, upperBound } from '../src/event/event-time.ts';

test.each([
  ['2026-07-03T11:46:50Z', '2026-07-03T11:46:50.000000Z', 0],
  ['2026-07-03T11:46:50.269000Z', '2026-07-03T11:46:50.269000Z', 6],
  ['2026-07-03t11:46:50.2z', '2026-07-03T11:46:50.200000Z', 1],
  ['2026-07-03T23:59:59.999+02:00', '2026-07-03T21:59:59.999000Z', 3],
  ['2026-12-31T23:30:00-01:00', '2027-01-01T00:30:00.000000Z', 0],
  // A leap second is the last microsecond of its minute.
  ['2016-12-31T23:59:60Z', '2016-12-31T23:59:59.999999Z', 6],
  ['2017-01-01T01:59:60.5+02:00', '2016-12-31T23:59:59.999999Z', 6],
  ['1970-01-01T00:00:00Z', '1970-01-01T00:00:00.000000Z', 0],
])('%s is the instant %s, given with %i digits', (text, utc, fractionDigits) => {
  expect(parseEventTime(text)).toEqual({ utc, fractionDigits });
});

test('digits after the microsecond are cut, so that no event moves into the next hour', () => {
  expect(parseEventTime('2026-07-03T11:59:59.999999999Z')).toEqual({
    utc: '2026-07-03T11:59:59.999999Z',
    fractionDigits: 6,
  });
});

test.each([
  '2026-07-03',
  '2026-07-03T11:46:50',
  '2026-02-30T00:00:00Z',
  '2026-13-01T00:00:00Z',
  '2026-07-03T24:00:00Z',
  '2026-07-03T11:60:00Z',
  '2026-07-03T11:46:60Z',
  '2026-07-03T23:59:60+02:00',
  '2026-07-03T23:59:61Z',
  '2026-07-03T11:46:50+24:00',
  '2026-07-03T11:46:50.1234567890Z',
  '1969-12-31T23:59:59Z',
  '0000-01-01T00:00:00Z',
  '9999-12-31T23:59:59-01:00',
  'infinity',
  'now',
  '',
])('%s is rejected', (text) => {
  expect(parseEventTime(text)).toBeNull();
});

test('a lower bound in nanoseconds is rounded up and an upper bound down, so that both stay inclusive', () => {
  expect(lowerBound('2026-07-03T11:59:59.999999001Z')).toBe('2026-07-03T12:00:00.000000Z');
  expect(upperBound('2026-07-03T11:59:59.999999999Z')).toBe('2026-07-03T11:59:59.999999Z');
});

test('a date as a bound means the whole day in UTC', () => {
  expect(lowerBound('2026-07-03')).toBe('2026-07-03T00:00:00.000000Z');
  expect(upperBound('2026-07-03')).toBe('2026-07-03T23:59:59.999999Z');
});
