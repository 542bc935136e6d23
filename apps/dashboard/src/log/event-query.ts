import { type Range, rangeEnds } from '../time/range.ts';
import { chooseInterval } from './histogram-bars.ts';

/** What the api is asked: the filters, and both ends of the range in UTC. */
export function eventQuery(filters: string, range: Range): string {
  const search = new URLSearchParams(filters);
  // Times of an address are passed on as they are, with all their digits.
  if (range.kind === 'between') {
    if (range.from !== null) search.set('start_date', range.from);
    if (range.to !== null) search.set('end_date', range.to);
  }
  if (range.kind === 'last') search.set('start_date', new Date(Date.now() - range.ms).toISOString());
  return search.toString();
}

/** For the counts next to suggestions; by day, because they are added up. */
export function suggestionQuery(filters: string, range: Range): string | null {
  const ends = rangeEnds(range, Date.now());
  const to = Math.ceil((ends.to ?? Date.now()) / 60_000) * 60_000;
  const from = ends.from ?? (range.kind === 'all' ? to - 364 * 86_400_000 : null);
  if (from === null || chooseInterval(from, to) === null) return null;
  const search = new URLSearchParams(filters);
  search.set('start_date', new Date(from - (from % 60_000)).toISOString());
  search.set('end_date', new Date(to).toISOString());
  return search.toString();
}
