/** Events of a span of time, by action. */
export interface Bar {
  readonly from: number;
  /** Where the next bar begins, in milliseconds since 1970. */
  readonly to: number;
  readonly total: number;
  readonly byAction: ReadonlyMap<string, number>;
}

export type Interval = 'minute' | 'hour' | 'day';

const intervalMs: Readonly<Record<Interval, number>> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };

const mostBars = 120;
const dayMs = 86_400_000;
const hourMs = 3_600_000;

/** What to ask of `GET /audit/stats` for a range. Null where the range is longer than it answers. */
export function chooseInterval(from: number, to: number): Interval | null {
  const ms = to - from;
  if (ms <= dayMs / 8) return 'minute';
  if (ms <= 30.9 * dayMs) return 'hour';
  return ms <= 365 * dayMs ? 'day' : null;
}

/** What the bars are of. */
export interface BarPlan {
  readonly from: number;
  readonly to: number;
  readonly interval: Interval;
  /** Whose hours and days they are. */
  readonly clock: Clock;
}

/** `local`: of the reader's clock, which is put forward and back twice a year in many zones. */
export type Clock = 'utc' | 'local';

/**
 * The clock whose hours and days the api can count. Where a clock is put forward by half an hour, its hours have no common
 * beginning, so they are counted in UTC.
 */
export function chooseClock({ from, to, interval, clock }: BarPlan): Clock {
  if (clock === 'utc' || interval === 'minute') return 'utc';
  return interval === 'day' || minutesOfHour(from) === minutesOfHour(to) ? 'local' : 'utc';
}

/** Counts as bars without holes, at most about 120: neighbours are added up. `clock` must be the one by which they were counted. */
export function makeBars(
  counts: readonly { readonly start: string; readonly group: string | null; readonly count: number }[],
  plan: BarPlan,
): Bar[] {
  const starts = listStarts(plan);
  const bars = starts.slice(0, -1).map((from, n) => ({
    from,
    to: starts[n + 1] as number,
    total: 0,
    byAction: new Map<string, number>(),
  }));
  let at = 0;
  for (const { start, group, count } of [...counts].sort((a, b) => Date.parse(a.start) - Date.parse(b.start))) {
    const time = Date.parse(start);
    while (at < bars.length - 1 && time >= (bars[at] as Bar).to) at += 1;
    const bar = bars[at];
    if (bar === undefined || time < bar.from || time >= bar.to) continue;
    bar.total += count;
    const name = group ?? 'of other actions';
    bar.byAction.set(name, (bar.byAction.get(name) ?? 0) + count);
  }
  return bars;
}

/** Where each bar begins, and where the last one ends. */
function listStarts({ from, to, interval, clock }: BarPlan): number[] {
  const unit = intervalMs[interval];
  const units = Math.max(1, Math.ceil((to - Math.floor(from / unit) * unit) / unit));
  const step = niceStep(Math.ceil(units / mostBars), interval);
  const next = clock === 'local' ? stepsOfClock(from, interval, step) : stepsOfUtc(from, step * unit);
  const starts = [next()];
  // A time beyond the last one of a calendar is never reached.
  for (let n = 0; n <= 2 * mostBars && (starts.at(-1) as number) < to; n += 1) {
    const start = next();
    // An hour that the clock leaves out begins where the next one begins.
    if (start > (starts.at(-1) as number)) starts.push(start);
  }
  return starts;
}

function stepsOfUtc(from: number, step: number): () => number {
  const first = Math.floor(from / step);
  let n = 0;
  return () => (first + n++) * step;
}

/** Days, or hours from midnight on, of the reader's clock. A day may have 23 or 25 hours. */
function stepsOfClock(from: number, interval: Interval, step: number): () => number {
  const day = new Date(from);
  const [year, month, date] = [day.getFullYear(), day.getMonth(), day.getDate()];
  let n = 0;
  if (interval === 'day') return () => new Date(year, month, date + step * n++).getTime();
  // An hour that the clock has twice is two bars.
  const shift = minutesOfHour(from) * 60_000;
  if (step === 1) return () => (Math.floor((from - shift) / hourMs) + n++) * hourMs + shift;
  const first = day.getHours() - (day.getHours() % step);
  return () => new Date(year, month, date, first + step * n++).getTime();
}

/** Where the hours of the reader's clock begin, in minutes after those of UTC. */
function minutesOfHour(at: number): number {
  return ((new Date(at).getTimezoneOffset() % 60) + 60) % 60;
}

/** Steps that a clock has. */
function niceStep(least: number, interval: Interval): number {
  const steps = { minute: [1, 2, 5, 10], hour: [1, 2, 3, 4, 6, 8, 12, 24], day: [1, 2, 7, 14] }[interval];
  return steps.find((step) => step >= least) ?? least;
}
