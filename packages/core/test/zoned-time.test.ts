import { expect, test, vi } from 'vitest';
import { addOffset, isTimeZone, toDatabaseZone } from '../src/event/zoned-time.ts';

test.each([
  ['2026-07-03', 'UTC', '2026-07-03T00:00:00Z', '2026-07-03T23:59:59.999999Z'],
  ['2026-07-03', 'Europe/Berlin', '2026-07-03T00:00:00+02:00', '2026-07-03T23:59:59.999999+02:00'],
  ['2026-01-03', 'Europe/Berlin', '2026-01-03T00:00:00+01:00', '2026-01-03T23:59:59.999999+01:00'],
  // The clocks go forward in the night to this day, and back in the night to that one.
  ['2026-03-29', 'Europe/Berlin', '2026-03-29T00:00:00+01:00', '2026-03-29T23:59:59.999999+02:00'],
  ['2026-10-25', 'Europe/Berlin', '2026-10-25T00:00:00+02:00', '2026-10-25T23:59:59.999999+01:00'],
  // The clocks go back at midnight, so the last hour of this day comes twice; the first hour of that day is skipped, or comes twice.
  ['2018-02-17', 'America/Sao_Paulo', '2018-02-17T00:00:00-02:00', '2018-02-17T23:59:59.999999-03:00'],
  ['2018-11-04', 'America/Sao_Paulo', '2018-11-04T00:00:00-03:00', '2018-11-04T23:59:59.999999-02:00'],
  ['2018-11-03', 'America/Sao_Paulo', '2018-11-03T00:00:00-03:00', '2018-11-03T23:59:59.999999-03:00'],
  ['2026-10-31', 'America/Havana', '2026-10-31T00:00:00-04:00', '2026-10-31T23:59:59.999999-04:00'],
  ['2026-11-01', 'America/Havana', '2026-11-01T00:00:00-04:00', '2026-11-01T23:59:59.999999-05:00'],
  // A day that Samoa did not have.
  ['2011-12-29', 'Pacific/Apia', '2011-12-29T00:00:00-10:00', '2011-12-29T23:59:59.999999-10:00'],
  ['2026-07-03 11:46', 'America/St_Johns', '2026-07-03T11:46:00-02:30', '2026-07-03T11:46:00-02:30'],
  ['2026-07-03T11:46:50.5', 'Asia/Kolkata', '2026-07-03T11:46:50.5+05:30', '2026-07-03T11:46:50.5+05:30'],
  ['2026-10-25T02:30:00', 'Europe/Berlin', '2026-10-25T02:30:00+02:00', '2026-10-25T02:30:00+02:00'],
  ['2026-03-29T02:30:00', 'Europe/Berlin', '2026-03-29T02:30:00+01:00', '2026-03-29T02:30:00+01:00'],
  // A leap second in Berlin.
  ['2017-01-01T00:59:60', 'Europe/Berlin', '2017-01-01T00:59:60+01:00', '2017-01-01T00:59:60+01:00'],
  ['2016-12-31T23:59:60', 'UTC', '2016-12-31T23:59:60Z', '2016-12-31T23:59:60Z'],
  ['2026-07-03T11:46:50Z', 'Europe/Berlin', '2026-07-03T11:46:50Z', '2026-07-03T11:46:50Z'],
  ['now', 'Europe/Berlin', 'now', 'now'],
])('the bounds of %s in %s are %s and %s', (text, zone, lower, upper) => {
  expect(addOffset(text, zone, 'lower')).toBe(lower);
  expect(addOffset(text, zone, 'upper')).toBe(upper);
});

test('only names of the time zone database are zones', () => {
  const zones = [
    'UTC',
    'Europe/Berlin',
    'Asia/Kolkata',
    'Asia/Calcutta',
    'Europe/Kyiv',
    'America/Argentina/Ushuaia',
    'Etc/GMT+5',
    'europe/berlin',
    'cet',
    'W-SU',
  ];
  expect(zones.filter((zone) => !isTimeZone(zone))).toEqual([]);
  expect(['', 'Berlin', '+02:00', '02:00', "UTC'", ' UTC', 'Europe/', 'a'.repeat(10_000)].filter(isTimeZone)).toEqual(
    [],
  );
  // Intl takes these.
  for (const zone of ['BST', 'ist', 'AET', 'SystemV/PST8', 'systemv/pst8']) {
    expect(() => new Intl.DateTimeFormat('en-US', { timeZone: zone }), zone).not.toThrow();
    expect(isTimeZone(zone), zone).toBe(false);
  }
});

test('a zone without a slash in its name has another name for Postgres', () => {
  expect(['CET', 'cet', 'Japan', 'EST5EDT', 'GMT0', 'UTC', 'Asia/Kolkata'].map(toDatabaseZone)).toEqual([
    'Europe/Brussels',
    'Europe/Brussels',
    'Asia/Tokyo',
    'America/New_York',
    'UTC',
    'UTC',
    'Asia/Kolkata',
  ]);
});

test('a zone that is named again and again needs no new formatter', () => {
  const made = vi.spyOn(Intl, 'DateTimeFormat');
  try {
    for (let n = 0; n < 100; n += 1) {
      const zone = n % 2 === 0 ? 'Africa/Windhoek' : 'africa/WINDHOEK';
      expect(isTimeZone(zone)).toBe(true);
      expect(addOffset('2026-07-03', zone, 'upper')).toBe('2026-07-03T23:59:59.999999+02:00');
    }
    expect(made).toHaveBeenCalledTimes(1);
  } finally {
    made.mockRestore();
  }
});
