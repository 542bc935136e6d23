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

/** What to ask of `GET /audit/stats` for a range. Null where the range is longer than it answers. */
export function chooseInterval(from: number, to: number): Interval | null {
  const ms = to - from;
  if (ms <= dayMs / 8) return 'minute';
  if (ms <= 30.9 * dayMs) return 'hour';
  return ms <= 365 * dayMs ? 'day' : null;
}

/** Counts as bars without holes, at most 120: neighbours are added up. */
export function makeBars(
  counts: readonly { readonly start: string; readonly group: string | null; readonly count: number }[],
  { from, to, interval }: { from: number; to: number; interval: Interval },
): Bar[] {
  const unit = intervalMs[interval];
  const first = Math.floor(from / unit) * unit;
  const units = Math.max(1, Math.ceil((to - first) / unit));
  const step = niceStep(Math.ceil(units / mostBars), interval) * unit;
  const begin = Math.floor(first / step) * step;
  const bars = Array.from({ length: Math.ceil((to - begin) / step) }, (_, n) => ({
    from: begin + n * step,
    to: begin + (n + 1) * step,
    total: 0,
    byAction: new Map<string, number>(),
  }));
  for (const { start, group, count } of counts) {
    const bar = bars[Math.floor((Date.parse(start) - begin) / step)];
    if (bar === undefined) continue;
    bar.total += count;
    const name = group ?? 'other';
    bar.byAction.set(name, (bar.byAction.get(name) ?? 0) + count);
  }
  return bars;
}

/** Steps that a clock has. */
function niceStep(least: number, interval: Interval): number {
  const steps = { minute: [1, 2, 5, 10], hour: [1, 2, 3, 4, 6, 8, 12, 24], day: [1, 2, 7, 14] }[interval];
  return steps.find((step) => step >= least) ?? least;
}
