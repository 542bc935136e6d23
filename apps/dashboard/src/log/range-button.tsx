import { useState } from 'react';
import { Popover } from '../parts/popover.tsx';
import { fullTime, shortTime } from '../time/format.ts';
import { nameRange, parseRange, presets, type Range, rangeEnds } from '../time/range.ts';
import { useZone } from '../time/zone.ts';

/** Chooses the span of event time: presets, typed words, or two fields. */
export function RangeButton({ range, onChange }: { range: Range; onChange: (range: Range) => void }) {
  const zone = useZone();
  const label = nameRange(range, (at) => shortTime(at, zone));
  return (
    <Popover icon="clock" label={label} name={`Time range: ${label}`} className="range">
      {(close) => (
        <RangePanel
          range={range}
          choose={(next) => {
            onChange(next);
            close();
          }}
        />
      )}
    </Popover>
  );
}

function RangePanel({ range, choose }: { range: Range; choose: (range: Range) => void }) {
  const zone = useZone();
  const [typed, setTyped] = useState('');
  const parsed = parseRange(typed, zone, Date.now());
  const [opened] = useState(() => {
    const { from, to } = rangeEnds(range, Date.now());
    return { from, to: to ?? Date.now() };
  });
  const [from, setFrom] = useState(toField(opened.from, zone === 'utc'));
  const [to, setTo] = useState(toField(opened.to, zone === 'utc'));
  const fromMs = fromField(from, zone === 'utc', opened.from);
  const toMs = fromField(to, zone === 'utc', opened.to);
  return (
    <div className="range-panel">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (parsed) choose(parsed);
        }}
      >
        <label className="field">
          <span>Type a time</span>
          <input
            // biome-ignore lint/a11y/noAutofocus: the panel was opened to type here
            autoFocus
            value={typed}
            placeholder="last tuesday, 2h, 2026-07-03 11:00 – 12:00"
            onChange={(event) => setTyped(event.target.value)}
          />
        </label>
        <Echo typed={typed} parsed={parsed} />
      </form>
      <div className="presets">
        {presets.map(({ text, label }) => (
          <button
            type="button"
            key={text}
            className="preset"
            aria-pressed={range.kind === 'all' ? text === 'all' : range.kind === 'last' && range.text === text}
            onClick={() => choose(parseRange(text, zone, Date.now()) ?? { kind: 'all' })}
          >
            {label}
          </button>
        ))}
      </div>
      <form
        className="range-ends"
        onSubmit={(event) => {
          event.preventDefault();
          if (fromMs !== null && toMs !== null && fromMs < toMs)
            choose({ kind: 'between', from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString() });
        }}
      >
        <label className="field">
          <span>From</span>
          <input type="datetime-local" value={from} onChange={(event) => setFrom(event.target.value)} />
        </label>
        <label className="field">
          <span>To</span>
          <input type="datetime-local" value={to} onChange={(event) => setTo(event.target.value)} />
        </label>
        <button type="submit" className="button primary" disabled={fromMs === null || toMs === null || fromMs >= toMs}>
          Apply
        </button>
      </form>
      <p className="quiet-text">{zone === 'utc' ? 'Times are in UTC.' : 'Times are in your zone.'}</p>
    </div>
  );
}

/** Says what was understood, in both zones, before it is used. */
function Echo({ typed, parsed }: { typed: string; parsed: Range | null }) {
  if (typed.trim() === '') return null;
  if (parsed === null) return <p className="echo bad">Not understood yet.</p>;
  if (parsed.kind !== 'between')
    return (
      <p className="echo">
        <strong>{nameRange(parsed, String)}</strong> · Enter
      </p>
    );
  const { from, to } = rangeEnds(parsed, Date.now());
  return (
    <p className="echo">
      <strong>
        {fullTime(new Date(from ?? 0), 'local')} – {fullTime(new Date(to ?? 0), 'local')}
      </strong>
      <br />
      {fullTime(new Date(from ?? 0), 'utc')} – {fullTime(new Date(to ?? 0), 'utc')} · Enter
    </p>
  );
}

function toField(ms: number | null, utc: boolean): string {
  if (ms === null) return '';
  const shift = utc ? 0 : new Date(ms).getTimezoneOffset() * 60_000;
  return new Date(ms - shift).toISOString().slice(0, 16);
}

/** A field that was not changed keeps its exact time: the field has no seconds, and shows an hour twice when clocks are put back. */
function fromField(text: string, utc: boolean, opened: number | null): number | null {
  if (text === toField(opened, utc)) return opened;
  const ms = Date.parse(utc ? `${text}Z` : text);
  return Number.isNaN(ms) ? null : ms;
}
