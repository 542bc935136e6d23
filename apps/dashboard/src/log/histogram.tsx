import { type KeyboardEvent, type PointerEvent, useEffect, useMemo, useRef, useState } from 'react';
import { hueOf } from '../events/action.ts';
import { countByClock } from '../http/count-by-clock.ts';
import { useAnswer } from '../http/use-answer.ts';
import { count, counted, shortTime } from '../time/format.ts';
import { type Range, rangeEnds } from '../time/range.ts';
import { useZone } from '../time/zone.ts';
import {
  type Bar,
  type BarPlan,
  type Clock,
  chooseClock,
  chooseInterval,
  type Interval,
  makeBars,
} from './histogram-bars.ts';

interface Counts {
  readonly total: number;
  readonly counts: readonly { readonly start: string; readonly group: string | null; readonly count: number }[];
}

const actionOrder = ['created', 'updated', 'rotated', 'unblocked', 'blocked', 'deleted'];

/** How many events happened when. Drag, click or Shift and arrows choose a shorter range. */
export function Histogram({
  filters,
  range,
  onChoose,
  onTotal,
}: {
  filters: string;
  range: Range;
  onChoose: (from: number, to: number) => void;
  onTotal: (total: number | null) => void;
}) {
  const clock = useZone() === 'utc' ? 'utc' : 'local';
  const name = JSON.stringify([filters, range, clock]);
  const { value, isLoading, error } = useAnswer(name, (signal) => loadBars(filters, range, clock, signal), 30_000);
  useEffect(() => onTotal(value?.total ?? null), [value, onTotal]);
  if (error && !value) return <p className="histogram-note">The counts over time cannot be shown: {error.message}</p>;
  if (value && value.bars === null)
    return <p className="histogram-note">Counts over time need a range of at most a year.</p>;
  return <Bars bars={value?.bars ?? []} isStale={isLoading} onChoose={onChoose} />;
}

async function loadBars(
  filters: string,
  range: Range,
  clock: Clock,
  signal: AbortSignal,
): Promise<{ bars: readonly Bar[] | null; total: number | null }> {
  const ends = rangeEnds(range, Date.now());
  const to = Math.min(ends.to ?? Date.now(), Date.now() + 300_000);
  // All time shows the last year.
  const from = ends.from ?? (range.kind === 'all' ? to - 364 * 86_400_000 : null);
  const interval: Interval | null = from === null ? null : chooseInterval(from, to);
  if (from === null || interval === null) return { bars: null, total: null };
  const search = new URLSearchParams(filters);
  search.set('interval', interval);
  search.set('group_by', 'action');
  search.set('start_date', new Date(from).toISOString());
  search.set('end_date', new Date(to).toISOString());
  const wanted: BarPlan = { from, to, interval, clock };
  const { counted: found, clock: countedBy } = await countByClock<Counts>(search, chooseClock(wanted), signal);
  const bars = makeBars(found.counts, { ...wanted, clock: countedBy });
  return { bars, total: range.kind === 'all' ? null : found.total };
}

function Bars({
  bars,
  isStale,
  onChoose,
}: {
  bars: readonly Bar[];
  isStale: boolean;
  onChoose: (from: number, to: number) => void;
}) {
  const zone = useZone();
  const shown = zone === 'utc' ? 'utc' : 'local';
  const around = useRef<HTMLDivElement>(null);
  const [active, setActive] = useState(0);
  const [brush, setBrush] = useState<{ readonly anchor: number; readonly end: number } | null>(null);
  const most = useMemo(() => Math.max(1, ...bars.map(({ total }) => total)), [bars]);
  const [low, high] = brush ? [Math.min(brush.anchor, brush.end), Math.max(brush.anchor, brush.end)] : [-1, -1];

  const choose = (first: number, last: number) => {
    const [from, to] = [bars[first]?.from, bars[last]?.to];
    setBrush(null);
    if (from !== undefined && to !== undefined) onChoose(from, to - 1);
  };
  const barAt = (event: PointerEvent) => {
    const box = around.current?.getBoundingClientRect();
    if (!box || bars.length === 0) return 0;
    const at = Math.floor(((event.clientX - box.left) / box.width) * bars.length);
    return Math.max(0, Math.min(bars.length - 1, at));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (step !== 0) {
      const next = Math.max(0, Math.min(bars.length - 1, active + step));
      setActive(next);
      setBrush(event.shiftKey ? { anchor: brush?.anchor ?? active, end: next } : null);
      around.current?.querySelectorAll('button')[next]?.focus();
    } else if (event.key === 'Enter' || event.key === ' ') {
      if (brush) choose(low, high);
      else choose(active, active);
    } else if (event.key === 'Escape' && brush) {
      setBrush(null);
      event.stopPropagation();
    } else return;
    event.preventDefault();
  };
  return (
    <figure className={`histogram ${isStale ? 'stale' : ''}`} aria-label="Events over time">
      {/* biome-ignore lint/a11y/useSemanticElements: the bars are the controls; this element only catches what they bubble */}
      <div
        className="bars"
        role="group"
        aria-label="Arrow keys move, Enter zooms in, Shift and arrows choose several"
        ref={around}
        onKeyDown={onKeyDown}
        onPointerDown={(event) => {
          if (event.button !== 0) return;
          event.currentTarget.setPointerCapture(event.pointerId);
          const at = barAt(event);
          setBrush({ anchor: at, end: at });
        }}
        onPointerMove={(event) => {
          if (brush && event.buttons === 1) setBrush({ anchor: brush.anchor, end: barAt(event) });
        }}
        onPointerUp={() => brush && choose(low, high)}
        onPointerCancel={() => setBrush(null)}
      >
        {bars.map((bar, index) => (
          <button
            type="button"
            key={bar.from}
            className={`bar ${index >= low && index <= high ? 'brushed' : ''}`}
            tabIndex={index === active ? 0 : -1}
            aria-label={describe(bar, shown)}
            title={describe(bar, shown)}
            onFocus={() => setActive(index)}
          >
            <span
              className="bar-stack"
              style={{ height: bar.total === 0 ? 0 : `max(2px, ${(bar.total / most) * 100}%)` }}
            >
              {[...bar.byAction]
                .sort(([a], [b]) => actionOrder.indexOf(a) - actionOrder.indexOf(b))
                .map(([action, n]) => (
                  <span key={action} className={`bar-part fill-${hueOf(action)}`} style={{ flexGrow: n }} />
                ))}
            </span>
          </button>
        ))}
      </div>
      <figcaption className="histogram-axis" aria-hidden="true">
        <span>{bars[0] ? shortTime(new Date(bars[0].from), shown) : ''}</span>
        <span>{brush && low !== high ? describeSpan(bars, low, high, shown) : ''}</span>
        <span>{bars.at(-1) ? shortTime(new Date(bars.at(-1)?.to ?? 0), shown) : ''}</span>
      </figcaption>
    </figure>
  );
}

function describe(bar: Bar, zone: 'utc' | 'local'): string {
  const parts = [...bar.byAction].map(([action, n]) => `${count(n)} ${action}`).join(', ');
  const events = counted(bar.total, 'event');
  return `${shortTime(new Date(bar.from), zone)} to ${shortTime(new Date(bar.to), zone)}: ${events}${parts && `, ${parts}`}`;
}

function describeSpan(bars: readonly Bar[], low: number, high: number, zone: 'utc' | 'local'): string {
  const events = bars.slice(low, high + 1).reduce((sum, { total }) => sum + total, 0);
  return `${shortTime(new Date(bars[low]?.from ?? 0), zone)} – ${shortTime(new Date(bars[high]?.to ?? 0), zone)}: ${counted(events, 'event')}`;
}
