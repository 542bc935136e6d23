/**
 * Times on the wire are RFC 3339 (https://www.rfc-editor.org/rfc/rfc3339). They are kept in UTC to the microsecond, as
 * in Postgres, with the number of fraction digits that the input had. No function here reads a clock.
 */

/** An instant in UTC, and how many fraction digits the input had (0 to 6). */
export interface EventTime {
  /** Always six fraction digits, e.g. `2026-07-03T11:46:50.269000Z`. */
  readonly utc: string;
  readonly fractionDigits: number;
}

/** What `parseEventTime` accepts, for messages. */
export const eventTimeForm = 'an RFC 3339 time with an offset, such as 2026-07-03T11:46:50.269Z';

const rfc3339 = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;
const dateOnly = /^\d{4}-\d\d-\d\d$/;
const daySeconds = 86_400;
const firstEventSecond = 0;
/** Postgres accepts years from 0001; RFC 3339 has years up to 9999. */
const firstSecond = Date.parse('0001-01-01T00:00:00Z') / 1000;
const lastSecond = Date.UTC(9999, 11, 31, 23, 59, 59) / 1000;

/**
 * The instant that an RFC 3339 text names, between 1970 and 9999, or null. Digits after the microsecond are cut, never
 * rounded, because rounding could move an event into the next hour. A leap second (23:59:60 in UTC) is the last microsecond
 * of its minute, because Postgres and JavaScript have no leap seconds.
 */
export function parseEventTime(text: string): EventTime | null {
  const time = parse(text);
  if (time === null || time.seconds < firstEventSecond) return null;
  return { utc: print(time.seconds, time.micros), fractionDigits: Math.min(time.digits, 6) };
}

/**
 * The first instant that a lower bound includes, or null when the text is not a time. Nanoseconds are rounded up,
 * because a stored time has microseconds. A date (`2026-07-03`) means its first instant in UTC.
 */
export function lowerBound(text: string): string | null {
  const time = parse(dateOnly.test(text) ? `${text}T00:00:00Z` : text);
  if (time === null) return null;
  const micros = time.micros + (time.cutNanos ? 1 : 0);
  if (micros < 1_000_000) return print(time.seconds, micros);
  return time.seconds === lastSecond ? null : print(time.seconds + 1, 0);
}

/** The last instant that an upper bound includes, or null. A date means the end of that day in UTC. */
export function upperBound(text: string): string | null {
  const time = parse(dateOnly.test(text) ? `${text}T23:59:59.999999Z` : text);
  return time && print(time.seconds, time.micros);
}

function parse(text: string): { seconds: number; micros: number; digits: number; cutNanos: boolean } | null {
  const match = rfc3339.exec(text);
  if (!match) return null;
  const [, date, hour, minute, second, fraction = '', sign, offsetHour = '0', offsetMinute = '0'] = match;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return null;
  const isLeap = second === '60';
  if (Number(offsetHour) > 23 || Number(offsetMinute) > 59) return null;
  const local = Date.parse(`${date}T${hour}:${minute}:${isLeap ? '59' : second}Z`) / 1000;
  // Date.parse turns 30 February into a day of March. Such a date prints differently from the input, so it is rejected.
  if (Number.isNaN(local) || new Date(local * 1000).toISOString().slice(0, 10) !== date) return null;
  const offset = (Number(offsetHour) * 60 + Number(offsetMinute)) * 60;
  const seconds = sign === '-' ? local + offset : local - offset;
  if (seconds < firstSecond || seconds > lastSecond) return null;
  if (isLeap)
    return seconds % daySeconds === daySeconds - 1 ? { seconds, micros: 999_999, digits: 6, cutNanos: false } : null;
  const nanos = fraction.padEnd(9, '0');
  return {
    seconds,
    micros: Number(nanos.slice(0, 6)),
    digits: fraction.length,
    cutNanos: Number(nanos.slice(6)) > 0,
  };
}

function print(seconds: number, micros: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}.${String(micros).padStart(6, '0')}Z`;
}
