import type { Archive } from './archive.ts';
import { monthEnds } from './month.ts';
import { addSpans, compare, type Span } from './span.ts';

export interface Day {
  /** `2026-07-03`. */
  readonly date: string;
  readonly whole: Span;
  /** Empty where objects are made by day, because then nobody knows the hour. */
  readonly hours: readonly Span[];
}

const hourMs = 3_600_000;
const dayMs = 86_400_000;

/**
 * The days of a month up to now. `recorded` has the events of the database by hour; null if they are not known. A day with an
 * object of the whole day is compared as a whole.
 */
export function makeDays(
  month: string,
  { partitions, pending }: Pick<Archive, 'partitions' | 'pending'>,
  recorded: ReadonlyMap<number, number> | null,
  nowMs: number,
): Day[] {
  const known = new Map(partitions.map((one) => [one.partition, one]));
  const inHours = (from: number, hours: number) =>
    recorded &&
    Array.from({ length: hours }, (_, n) => recorded.get(from + n * hourMs) ?? 0).reduce((sum, one) => sum + one, 0);
  const { from, to } = monthEnds(month);
  const days: Day[] = [];
  for (let at = from; at < Math.min(to, nowMs); at += dayMs) {
    const date = new Date(at).toISOString().slice(0, 10);
    const ofDay = known.get(date);
    const hours = Array.from({ length: 24 }, (_, n) => {
      const begin = at + n * hourMs;
      const partition = new Date(begin).toISOString().slice(0, 13);
      return compare(begin, begin + hourMs, known.get(partition), ofDay ? null : inHours(begin, 1), pending);
    });
    if (ofDay === undefined) days.push({ date, whole: addSpans(hours), hours });
    else {
      const ofHours = addSpans(hours);
      const others = (inHours(at, 24) ?? 0) - ofHours.archived - ofHours.missing;
      const whole = addSpans([compare(at, at + dayMs, ofDay, others, pending), ofHours]);
      days.push({ date, whole: { ...whole, from: at, to: at + dayMs }, hours: [] });
    }
  }
  return days;
}
