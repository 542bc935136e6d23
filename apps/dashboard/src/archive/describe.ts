import { heatStep } from '../parts/heat-step.ts';
import { bytes, count, utcDay } from '../time/format.ts';
import type { Day } from './days.ts';
import type { Span, SpanState } from './span.ts';

/* The words of this screen. The same words stand in the calendar, in the table and in what a screen reader says. */

export const stateWords: Readonly<Record<SpanState, string>> = {
  empty: 'nothing',
  whole: 'archived',
  waiting: 'waiting',
  gap: 'gap',
};

/** `Friday 3 July: gap, 3 of 412 events are not archived. 409 events in 24 objects, 1.2 MB.` */
export function describeDay({ date, whole }: Day): string {
  const { state, archived, objects, missing } = whole;
  const day = utcDay(date);
  if (state === 'empty') return `${day}: no events.`;
  const stored = `${events(archived)} in ${objects} ${objects === 1 ? 'object' : 'objects'}, ${bytes(whole.bytes)}.`;
  if (state === 'whole') return `${day}: archived, ${stored}`;
  return `${day}: ${stateWords[state]}, ${count(missing)} of ${events(archived + missing)} not archived. ${stored}`;
}

function events(n: number): string {
  return `${count(n)} ${n === 1 ? 'event' : 'events'}`;
}

/** How a month is, in one word and one sentence. */
export interface Verdict {
  readonly tone: 'good' | 'waiting' | 'bad';
  readonly word: string;
  readonly sentence: string;
}

export function judgeMonth(days: readonly Day[], sum: Span): Verdict {
  const gaps = days.filter(({ whole }) => whole.state === 'gap').length;
  if (gaps > 0)
    return {
      tone: 'bad',
      word: gaps === 1 ? 'A day has a gap' : `${gaps} days have gaps`,
      sentence: `${count(sum.missing)} of ${events(sum.archived + sum.missing)} are not in the archive.`,
    };
  if (sum.missing > 0)
    return {
      tone: 'waiting',
      word: 'On its way',
      sentence: `${events(sum.missing)} of the last minutes ${sum.missing === 1 ? 'waits' : 'wait'} for the next object.`,
    };
  if (sum.archived === 0)
    return { tone: 'waiting', word: 'Nothing here', sentence: 'No event of this month is recorded.' };
  return { tone: 'good', word: 'No gap', sentence: 'Every event of this month is in the archive.' };
}

/** The class of an hour's square. */
export function hourClass({ state, archived }: Span, most: number): string {
  return state === 'gap' || state === 'waiting' ? `is-${state}` : `heat-${heatStep(archived, Math.max(1, most))}`;
}
