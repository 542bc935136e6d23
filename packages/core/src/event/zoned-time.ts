/*
 * Dates and times without an offset, in a time zone. A time that the clocks of the zone skip or repeat is read with the
 * offset that was valid before the change.
 */

const naive = /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(\.\d{1,9})?)?)?$/;

/** Not an offset such as `+02:00`, which Intl takes too. */
const zoneName = /^[A-Za-z][A-Za-z0-9_+-]*(?:\/[A-Za-z0-9_+-]+)*$/;

/** The names of three letters that the time zone database has. Intl takes others, such as `BST` for Dhaka, as Java once did. */
const threeLetters = new Set('CET EET EST GMT HST MET MST PRC ROC ROK UCT UTC WET'.split(' '));

/**
 * By the names of zones in lower case, which are about 600. Making one takes 100 µs, and its memory is not of the kind by which V8
 * decides when to collect garbage.
 */
const formats = new Map<string, Intl.DateTimeFormat>();

/** Null for a name that is not one of the time zone database. */
function findFormat(name: string): Intl.DateTimeFormat | null {
  const known = formats.get(name.toLowerCase());
  if (known !== undefined) return known;
  if (!zoneName.test(name) || /^SystemV\//i.test(name)) return null;
  if (name.length === 3 && !threeLetters.has(name.toUpperCase())) return null;
  try {
    const made = new Intl.DateTimeFormat('en-US', { timeZone: name, timeZoneName: 'longOffset' });
    formats.set(name.toLowerCase(), made);
    return made;
  } catch {
    return null;
  }
}

/**
 * Whether the zone is one of the IANA time zone database, such as `Europe/Berlin`, or `UTC`. Older and newer names of one zone count:
 * `Asia/Calcutta` and `Asia/Kolkata`.
 */
export function isTimeZone(name: string): boolean {
  return findFormat(name) !== null;
}

/**
 * The name of a zone for Postgres, which reads a name without a slash as an abbreviation first: to it `CET` is an hour before UTC in
 * summer too.
 */
export function toDatabaseZone(zone: string): string {
  return zone.includes('/') ? zone : (findFormat(zone)?.resolvedOptions().timeZone ?? zone);
}

/**
 * A bound with its offset, as RFC 3339. A date becomes its first instant, or its last one for an upper bound. Any
 * other text stays as it is.
 */
export function addOffset(text: string, zone: string, bound: 'lower' | 'upper'): string {
  const match = naive.exec(text);
  if (!match) return text;
  const [, year = '', month = '', day = '', hour, minute = '', second = '00', fraction = ''] = match;
  const date = `${year}-${month}-${day}`;
  const isDate = hour === undefined;
  const clock = isDate
    ? bound === 'lower'
      ? '00:00:00'
      : '23:59:59.999999'
    : `${hour}:${minute}:${second}${fraction}`;
  if (zone === 'UTC') return `${date}T${clock}Z`;
  // A leap second has the offset of the second before it.
  const localMs = Date.parse(`${date}T${clock.slice(0, 8).replace(/:60$/, ':59')}Z`);
  if (Number.isNaN(localMs)) return text;
  // Where the clocks repeat the last hour of a day, the day ends with its second one: right before the next day begins.
  const decidesMs = isDate && bound === 'upper' ? Date.parse(`${date}T00:00:00Z`) + 86_400_000 : localMs;
  return `${date}T${clock}${printOffset(offsetBefore(decidesMs, zone))}`;
}

/** The offset of a local time: that of the day before, unless the clocks have changed since and the time is after it. */
function offsetBefore(localMs: number, zone: string): number {
  const dayBefore = offsetAt(localMs - 86_400_000, zone);
  const here = offsetAt(localMs - dayBefore * 60_000, zone);
  if (here === dayBefore) return dayBefore;
  // After the change, the new offset leads to an instant at which it is valid. Before it, the old one does.
  return offsetAt(localMs - here * 60_000, zone) === here ? here : dayBefore;
}

/** In minutes east of UTC. */
function offsetAt(utcMs: number, zone: string): number {
  const parts = findFormat(zone)?.formatToParts(utcMs);
  const name = parts?.find(({ type }) => type === 'timeZoneName')?.value ?? '';
  const [, sign, hours = '0', minutes = '0'] = /([+-])(\d\d):(\d\d)/.exec(name) ?? [];
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
}

function printOffset(minutes: number): string {
  const size = Math.abs(minutes);
  const two = (number: number) => String(number).padStart(2, '0');
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}
