import type { Parameter } from './parameters.ts';
import type { ListedEvent } from './recorded-events.ts';

/** Repeated names are rejected, whatever their values are. */
export const isRefused = (asked: readonly Parameter[]) =>
  asked.some(({ isValid }) => !isValid) || new Set(asked.map(({ name }) => name)).size < asked.length;
export const isExact = (asked: readonly Parameter[]) => asked.every((one) => one.isExact);
export const searchOf = (asked: readonly Parameter[]) => asked.map(({ name, raw }) => `${name}=${raw}`).join('&');
export const rawOf = (asked: readonly Parameter[], name: string) => asked.find((one) => one.name === name)?.raw;
export const idsOf = (found: readonly { id: string }[]) => found.map(({ id }) => id);

/** Compares by bytes, as the columns do. */
export function ordered(found: readonly ListedEvent[], by: string, direction: string): ListedEvent[] {
  const time = (text: string) => `${text.slice(0, 19)}.${(/\.(\d+)/.exec(text)?.[1] ?? '').padEnd(6, '0')}`;
  const keysOf = (event: ListedEvent) => {
    if (by === 'id') return [event.id];
    if (by === 'recorded_at') return [event.recorded_at, event.id];
    const ties = [time(event.updated_at), event.id];
    return by === 'updated_at' ? ties : [event[by as 'changed_by'], ...ties];
  };
  const compare = (one: string[], other: string[]) =>
    one.reduce((sign, key, index) => sign || Buffer.compare(Buffer.from(key), Buffer.from(other[index] ?? '')), 0);
  const up = [...found].sort((one, other) => compare(keysOf(one), keysOf(other)));
  return direction === 'asc' ? up : up.reverse();
}
