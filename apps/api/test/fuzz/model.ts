import { lowerBound, upperBound } from '@auditbox/core/event/event-time.ts';
import { addOffset } from '@auditbox/core/event/zoned-time.ts';
import type { Parameter } from './parameters.ts';
import type { ListedEvent } from './recorded-events.ts';

/** Repeated names are rejected, whatever their values are. */
export const isRejected = (given: readonly Parameter[]) =>
  given.some(({ isValid }) => !isValid) || new Set(given.map(({ name }) => name)).size < given.length;

const bounding = ['object_id', 'search', 'object_team_id', 'object_key_hash'];
const maxRangeMs = 366 * 86_400_000;

/** Whether a parameter is a filter without an index. An empty `q` is no filter; an empty value is one. */
export const isUnindexed = ({ name, raw }: Parameter) =>
  name === 'q' || name === 'changed_by_any_case' ? raw !== '' : /^(before_value|updated_values|context)\./.test(name);

/** Whether no index serves a valid query, and no time range bounds it. */
export function isUnbounded(all: readonly Parameter[]): boolean {
  const given = all.filter((one) => one.raw !== '' || isUnindexed(one));
  if (!given.some(isUnindexed)) return false;
  if (given.some(({ name }) => bounding.includes(name))) return false;
  const time = (name: string) =>
    decodeURIComponent((getRaw(given, name) ?? '').replaceAll('+', ' ')).replace(/ (\d\d:\d\d)$/, '+$1');
  const from = lowerBound(addOffset(time('start_date'), 'UTC', 'lower'));
  const to = upperBound(addOffset(time('end_date'), 'UTC', 'upper')) ?? new Date().toISOString();
  return from === null || Date.parse(to) - Date.parse(from) > maxRangeMs;
}

export const isExact = (given: readonly Parameter[]) => given.every((one) => one.isExact);
export const printSearch = (given: readonly Parameter[]) => given.map(({ name, raw }) => `${name}=${raw}`).join('&');
export const getRaw = (given: readonly Parameter[], name: string) => given.find((one) => one.name === name)?.raw;
export const getIds = (found: readonly { id: string }[]) => found.map(({ id }) => id);

/** Compares by bytes, as the columns do. */
export function ordered(found: readonly ListedEvent[], by: string, direction: string): ListedEvent[] {
  const time = (text: string) => `${text.slice(0, 19)}.${(/\.(\d+)/.exec(text)?.[1] ?? '').padEnd(6, '0')}`;
  const sortKeys = (event: ListedEvent) => {
    if (by === 'id') return [event.id];
    if (by === 'recorded_at') return [event.recorded_at, event.id];
    const ties = [time(event.updated_at), event.id];
    return by === 'updated_at' ? ties : [event[by as 'changed_by'], ...ties];
  };
  const compare = (one: string[], other: string[]) =>
    one.reduce((sign, key, index) => sign || Buffer.compare(Buffer.from(key), Buffer.from(other[index] ?? '')), 0);
  const up = [...found].sort((one, other) => compare(sortKeys(one), sortKeys(other)));
  return direction === 'asc' ? up : up.reverse();
}
