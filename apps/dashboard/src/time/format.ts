import type { Zone } from './zone.ts';

/* Times come as RFC 3339 in UTC with up to six digits. `Date` keeps three, so the fraction is taken from the text. */

const formats = new Map<string, Intl.DateTimeFormat>();

function formatter(zone: Zone, style: 'time' | 'day' | 'full' | 'short' | 'zone'): Intl.DateTimeFormat {
  const name = `${zone} ${style}`;
  const known = formats.get(name);
  if (known) return known;
  const options: Intl.DateTimeFormatOptions = {
    hourCycle: 'h23',
    ...(zone === 'utc' && { timeZone: 'UTC' }),
    ...(style === 'time' && { hour: '2-digit', minute: '2-digit', second: '2-digit' }),
    ...(style === 'day' && { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' }),
    ...(style === 'zone' && { timeZoneName: 'short' }),
    ...(style === 'short' && { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' }),
    ...(style === 'full' && {
      weekday: 'short',
      day: 'numeric',
      month: 'short',
      year: 'numeric',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
      timeZoneName: 'short',
    }),
  };
  const made = new Intl.DateTimeFormat('en-GB', options);
  formats.set(name, made);
  return made;
}

export function timeOfDay(text: string, zone: Zone): string {
  const fraction = /\.(\d{1,3})/.exec(text)?.[1];
  const shown = `${formatter(zone, 'time').format(new Date(text))}${fraction ? `.${fraction.padEnd(3, '0')}` : ''}`;
  return `${shown}${zoneIfTwice(new Date(text), zone)}`;
}

export function dayName(text: string, zone: Zone): string {
  return formatter(zone, 'day').format(new Date(text));
}

export function fullTime(text: string | Date, zone: Zone): string {
  return formatter(zone, 'full')
    .format(new Date(text))
    .replace(/,(?= \d\d:)/, '');
}

export function shortTime(at: string | Date, zone: Zone): string {
  return `${formatter(zone, 'short').format(new Date(at))}${zoneIfTwice(new Date(at), zone)}`;
}

const changeMs = 4 * 3_600_000;

/** ` CEST`: a clock that is put back shows an hour twice, and only the zone's name tells them apart. */
function zoneIfTwice(at: Date, zone: Zone): string {
  if (zone === 'utc') return '';
  const offset = at.getTimezoneOffset();
  const isTwice = [-changeMs, changeMs].some((ms) => {
    const other = new Date(at.getTime() + ms).getTimezoneOffset();
    const twin = new Date(at.getTime() + (other - offset) * 60_000);
    return other !== offset && twin.getTimezoneOffset() === other;
  });
  if (!isTwice) return '';
  const name = formatter(zone, 'zone')
    .formatToParts(at)
    .find(({ type }) => type === 'timeZoneName')?.value;
  return ` ${name}`;
}

const utcDays = new Intl.DateTimeFormat('en-GB', { weekday: 'long', day: 'numeric', month: 'long', timeZone: 'UTC' });
const utcMonths = new Intl.DateTimeFormat('en-GB', { month: 'long', year: 'numeric', timeZone: 'UTC' });

/** `2026-07-03` as `Friday 3 July`. */
export function utcDay(date: string): string {
  return utcDays.format(new Date(`${date}T00:00:00Z`)).replace(',', '');
}

/** `2026-07` as `July 2026`. */
export function utcMonth(month: string): string {
  return utcMonths.format(new Date(`${month}-01T00:00:00Z`));
}

/** Changes with the day that the reader's clock shows; quick, because a list asks for each of its rows. */
export function dayKey(text: string, zone: Zone): string {
  if (zone === 'utc') return text.slice(0, 10);
  const at = new Date(text);
  return `${at.getFullYear()}-${at.getMonth()}-${at.getDate()}`;
}

/** `8 s`, `3 min`, `2 h`, `5 d`: a duration in its largest unit. */
export function duration(seconds: number): string {
  const s = Math.abs(seconds);
  if (s < 1) return `${Math.round(s * 1000)} ms`;
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 90) return `${Math.round(s)} s`;
  if (s < 90 * 60) return `${Math.round(s / 60)} min`;
  if (s < 36 * 3600) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86_400)} d`;
}

export function ago(text: string, nowMs: number): string {
  const seconds = (nowMs - Date.parse(text)) / 1000;
  if (seconds < -1) return `in ${duration(seconds)}`;
  return seconds < 2 ? 'now' : `${duration(seconds)} ago`;
}

/** Seconds from one time to another, with all six digits of both. */
export function secondsBetween(from: string, to: string): number {
  const micros = (text: string) => {
    const [, second = text, fraction = ''] = /^(.*?)(?:\.(\d+))?Z$/.exec(text) ?? [];
    return Date.parse(`${second}Z`) * 1000 + Number(fraction.padEnd(6, '0').slice(0, 6));
  };
  return (micros(to) - micros(from)) / 1e6;
}

/** `1 event`, `2,000 events`. */
export function counted(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

export function count(n: number): string {
  return n.toLocaleString('en-GB');
}

/** `1.2k`: for narrow places. */
export function shortCount(n: number): string {
  return n < 1_000 ? String(n) : shortCounts.format(n).toLowerCase();
}

const shortCounts = new Intl.NumberFormat('en-GB', { notation: 'compact', maximumSignificantDigits: 2 });

export function bytes(n: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = n === 0 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(n) / 3));
  const value = n / 1000 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[power]}`;
}
