import type { Zone } from './zone.ts';

/** A span of event time in an address: relative (`24h`), absolute, or everything. */
export type Range =
  | { readonly kind: 'last'; readonly text: string; readonly ms: number }
  | { readonly kind: 'between'; readonly from: string | null; readonly to: string | null }
  | { readonly kind: 'all' };

export const presets: readonly { readonly text: string; readonly label: string }[] = [
  { text: '15m', label: 'Last 15 minutes' },
  { text: '1h', label: 'Last hour' },
  { text: '24h', label: 'Last 24 hours' },
  { text: '7d', label: 'Last 7 days' },
  { text: '30d', label: 'Last 30 days' },
  { text: '90d', label: 'Last 90 days' },
  { text: 'all', label: 'All time' },
];

const defaultRange = '7d';

const unitMs: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
const unitNames: Readonly<Record<string, string>> = { m: 'minute', h: 'hour', d: 'day', w: 'week' };

export function readRange(search: URLSearchParams): Range {
  const [from, to] = [search.get('start_date'), search.get('end_date')];
  if (from || to) return { kind: 'between', from: from || null, to: to || null };
  return readLast(search.get('range') ?? defaultRange) ?? (readLast(defaultRange) as Range);
}

function readLast(text: string): Range | null {
  if (text === 'all') return { kind: 'all' };
  const [, n = '', unit = ''] = /^(\d{1,4})([mhdw])$/.exec(text) ?? [];
  const ms = unitMs[unit];
  return ms === undefined || Number(n) === 0 ? null : { kind: 'last', text, ms: Number(n) * ms };
}

/** The parameters of an address that stand for a range. */
export function rangeParameters(range: Range): Readonly<Record<'range' | 'start_date' | 'end_date', string | null>> {
  if (range.kind === 'between') return { range: null, start_date: range.from, end_date: range.to };
  const text = range.kind === 'all' ? 'all' : range.text;
  return { range: text === defaultRange ? null : text, start_date: null, end_date: null };
}

/** Both ends in milliseconds since 1970; null is open, or a text of the address that is no time. */
export function rangeEnds(range: Range, nowMs: number): { readonly from: number | null; readonly to: number | null } {
  if (range.kind === 'all') return { from: null, to: null };
  if (range.kind === 'last') return { from: nowMs - range.ms, to: null };
  const end = (text: string | null, isTo: boolean) => {
    if (text === null) return null;
    // A date is its whole day in UTC, as the api reads it.
    const isDay = /^\d{4}-\d\d-\d\d$/.test(text);
    const at = Date.parse(text) + (isDay && isTo ? 86_400_000 - 1 : 0);
    return Number.isNaN(at) ? null : at;
  };
  return { from: end(range.from, false), to: end(range.to, true) };
}

export function nameRange(range: Range, show: (at: Date) => string): string {
  if (range.kind === 'all') return 'All time';
  if (range.kind === 'last') {
    const preset = presets.find(({ text }) => text === range.text);
    const unit = unitNames[range.text.slice(-1)] ?? '';
    return (
      preset?.label ?? `Last ${range.text.slice(0, -1)} ${unit}${range.text === `1${range.text.slice(-1)}` ? '' : 's'}`
    );
  }
  const ends = rangeEnds(range, 0);
  // What is no time is shown as it stands in the address; the api says what is wrong with it.
  const [from, to] = [name(range.from, ends.from), name(range.to, ends.to)];
  if (from === null) return `Until ${to}`;
  return to === null ? `Since ${from}` : `${from} – ${to}`;

  function name(text: string | null, at: number | null): string | null {
    return at === null ? text : show(new Date(at));
  }
}

const weekdays = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];

/**
 * What a person typed: `2h`, `yesterday`, `last tuesday`, `2026-07-03 11:00 – 12:00`, an RFC 3339 time, a Unix time. Null if
 * it means nothing. One moment stands for the minutes around it.
 */
export function parseRange(typed: string, zone: Zone, nowMs: number): Range | null {
  const text = typed.trim().toLowerCase().replace(/\s+/g, ' ');
  if (text === '') return null;
  if (text === 'all' || text === 'all time') return { kind: 'all' };
  const short = text.replace(/^last /, '').replace(/^(\d+) ?(m|h|d|w)[a-z]*$/, '$1$2');
  const last = readLast(short);
  if (last) return last;
  const utc = zone === 'utc';
  const day = namedDay(text, utc, nowMs);
  if (day !== null) return between(day, nextDay(day, utc) - 1);
  const [first = '', second] = text.split(/ (?:–|-|to|until|\.\.) |–|\.\./).map((part) => part.trim());
  const from = readMoment(first, utc, null);
  if (from === null) return null;
  if (second === undefined)
    return from.isDay ? between(from.at, nextDay(from.at, utc) - 1) : between(from.at - 300_000, from.at + 300_000);
  const to = readMoment(second, utc, first.slice(0, 10));
  if (to === null || to.at < from.at) return null;
  return between(from.at, to.isDay ? nextDay(to.at, utc) - 1 : to.at);
}

function between(from: number, to: number): Range {
  return { kind: 'between', from: new Date(from).toISOString(), to: new Date(to).toISOString() };
}

function namedDay(text: string, utc: boolean, nowMs: number): number | null {
  const today = startOfDay(nowMs, utc);
  if (text === 'today') return today;
  if (text === 'yesterday') return startOfDay(today - 43_200_000, utc);
  const wanted = weekdays.findIndex(
    (name) => text.replace(/^last /, '') === name || text.replace(/^last /, '') === name.slice(0, 3),
  );
  if (wanted === -1) return null;
  const now = new Date(today + 43_200_000);
  const back = ((utc ? now.getUTCDay() : now.getDay()) - wanted + 7) % 7 || 7;
  return startOfDay(today + 43_200_000 - back * 86_400_000, utc);
}

function startOfDay(ms: number, utc: boolean): number {
  const at = new Date(ms);
  return utc ? at.setUTCHours(0, 0, 0, 0) : at.setHours(0, 0, 0, 0);
}

function nextDay(ms: number, utc: boolean): number {
  return startOfDay(ms + 36 * 3_600_000, utc);
}

function readMoment(text: string, utc: boolean, day: string | null): { at: number; isDay: boolean } | null {
  if (/^\d{10}(\.\d+)?$/.test(text)) return { at: Number(text) * 1000, isDay: false };
  if (/^\d{13}$/.test(text)) return { at: Number(text), isDay: false };
  const full = day !== null && /^\d\d?:\d\d(:\d\d)?$/.test(text) ? `${day} ${text}` : text;
  const [, date, clock = '', offset = ''] =
    /^(\d{4}-\d\d-\d\d)(?:[t ](\d\d?:\d\d(?::\d\d(?:\.\d+)?)?))?(z|[+-]\d\d:\d\d)?$/.exec(full) ?? [];
  if (date === undefined) return null;
  const isDay = clock === '';
  const at = Date.parse(
    `${date}T${isDay ? '00:00' : clock.padStart(clock.indexOf(':') === 1 ? clock.length + 1 : 0, '0')}${offset || (utc ? 'Z' : '')}`,
  );
  return Number.isNaN(at) ? null : { at, isDay: isDay && offset === '' };
}
