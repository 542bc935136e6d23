import type { EventFilter } from './event-filter.ts';

/** Each can be counted in one index, together with a range of event time, because that index has event time behind it. */
const indexed = [
  ['changedBy', 'changedByPrefix'],
  ['changedByApiKey'],
  ['action'],
  ['tableName'],
  ['objectId'],
  ['teamId'],
  ['keyHash'],
] as const satisfies (keyof EventFilter)[][];

/** No index has them. `anyId` is looked up in eleven indexes, each of which must leave out the rows of the others. */
const unindexed = ['recordedAfter', 'anyId', 'words', 'changedByAnyCase'] as const satisfies (keyof EventFilter)[];

/**
 * Whether the entries of an index tell how many events match. Otherwise each event that matches one filter must be read
 * from the table to learn whether it matches the others, which takes 10 to 100 times as long.
 */
export function isCountedByIndex(filter: EventFilter): boolean {
  const isGiven = (field: keyof EventFilter) => filter[field] !== undefined;
  if (unindexed.some(isGiven) || (filter.values ?? []).length > 0) return false;
  return indexed.filter((fields) => fields.some(isGiven)).length <= 1;
}
