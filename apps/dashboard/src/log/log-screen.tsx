import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { ErrorNotice, Notice } from '../parts/notice.tsx';
import { eventPath, go, goWith, usePlace } from '../place/place.ts';
import { count, duration } from '../time/format.ts';
import { type Range, rangeEnds, rangeParameters, readRange } from '../time/range.ts';
import { Chips } from './chips.tsx';
import { DownloadButton } from './download-button.tsx';
import { EventPanel } from './event-panel.tsx';
import { EventTable } from './event-table.tsx';
import { FilterBox } from './filter-box.tsx';
import { apiFilters, readChips } from './filters.ts';
import { Histogram } from './histogram.tsx';
import { chooseInterval } from './histogram-bars.ts';
import { LivePill } from './live-pill.tsx';
import { RangeButton } from './range-button.tsx';
import { getEventList, useListState } from './use-event-list.ts';
import { useListKeys } from './use-list-keys.ts';

const wide = matchMedia('(min-width: 1000px)');

/** The list of events: newest first, its view in the address. */
export function LogScreen() {
  const { search } = usePlace();
  const range = readRange(search);
  const chips = readChips(search);
  const filters = apiFilters(search).toString();
  const opened = search.get('event');
  const canFollow = range.kind !== 'between' || range.to === null;
  const isLive = canFollow && search.get('live') !== '0';
  const view = JSON.stringify([filters, range]);
  const list = useMemo(() => getEventList(view, () => eventQuery(filters, range)), [view, filters, range]);
  const state = useListState(list);
  const [selected, setSelected] = useState<string | null>(opened);
  const [isReading, setReading] = useState(false);
  const [total, setTotal] = useState<number | null>(null);
  const isHeld = isReading || opened !== null;

  useEffect(() => {
    if (state.rows.length === 0 && !state.isComplete && state.error === null) list.loadMore();
  }, [list, state.rows.length, state.isComplete, state.error]);
  useEffect(() => (isLive ? list.follow() : undefined), [list, isLive]);
  useEffect(() => {
    list.hold(isHeld);
    if (!isHeld) list.showWaiting();
  }, [list, isHeld]);
  useEffect(() => {
    const known = chips.length === 0 ? '' : `${chips.length} ${chips.length === 1 ? 'filter' : 'filters'} · `;
    document.title = `${known}Log · Auditbox`;
  }, [chips.length]);

  const open = useCallback((id: string) => {
    setSelected(id);
    // On a narrow screen the event takes the whole page anyway.
    if (wide.matches) goWith({ event: id });
    else go(eventPath(id));
  }, []);
  const close = useCallback(() => {
    const row = document.querySelector<HTMLElement>('.event-row.selected a');
    goWith({ event: null });
    row?.focus({ preventScroll: true });
  }, []);
  const step = useCallback(
    (by: 1 | -1) => {
      const at = state.rows.findIndex(({ id }) => id === selected);
      const next = state.rows[at === -1 ? 0 : at + by];
      if (!next) return;
      setSelected(next.id);
      if (opened !== null) goWith({ event: next.id }, 'replace');
    },
    [state.rows, selected, opened],
  );
  const filter = useCallback((name: string, value: string) => goWith({ [name]: value, event: null }), []);
  const showNew = useCallback(() => {
    if (opened !== null) close();
    document.querySelector('.table-scroll')?.scrollTo({ top: 0 });
    list.showWaiting();
  }, [list, opened, close]);
  const setRange = useCallback((next: Range) => goWith({ ...rangeParameters(next), event: null }), []);
  const zoom = useCallback(
    (from: number, to: number) =>
      setRange({ kind: 'between', from: new Date(from).toISOString(), to: new Date(to).toISOString() }),
    [setRange],
  );
  useListKeys({
    step,
    open: () => selected && open(selected),
    close: opened === null ? () => setSelected(null) : close,
    showNew,
  });

  return (
    <div className={`log-screen ${opened === null ? '' : 'with-panel'}`}>
      <div className="log-main">
        <header className="log-head">
          <h1>Log</h1>
          <FilterBox statsQuery={suggestionQuery(filters, range)} onFilter={filter} />
          <RangeButton range={range} onChange={setRange} key={view} />
          <LivePill
            state={state}
            isLive={isLive}
            isHeld={isHeld}
            canFollow={canFollow}
            onToggle={() => goWith({ live: isLive ? '0' : null }, 'replace')}
            onShow={showNew}
          />
          <DownloadButton query={() => eventQuery(filters, range)} total={total} />
        </header>
        <Chips chips={chips} onRemove={(name) => goWith({ [name]: null })} onClear={() => go(clearPath(range))} />
        <Histogram filters={filters} range={range} onChoose={zoom} onTotal={setTotal} />
        {state.rows.length > 0 && (
          <EventTable
            list={list}
            state={state}
            selected={selected}
            onSelect={setSelected}
            onOpen={open}
            onFilter={filter}
            onReading={setReading}
          />
        )}
        {state.error && <ErrorNotice error={state.error} retry={list.loadMore} />}
        {state.isLoading && state.rows.length === 0 && <SkeletonRows />}
        {state.isComplete && state.rows.length === 0 && (
          <Empty hasFilters={chips.length > 0} range={range} onAllTime={() => setRange({ kind: 'all' })} />
        )}
        <Footer state={state} total={total} />
      </div>
      {opened !== null && <EventPanel id={opened} onClose={close} onStep={step} />}
    </div>
  );
}

/** What the api is asked: the filters, and both ends of the range in UTC. */
function eventQuery(filters: string, range: Range): string {
  const search = new URLSearchParams(filters);
  const { from, to } = rangeEnds(range, Date.now());
  if (from !== null) search.set('start_date', new Date(from).toISOString());
  if (to !== null) search.set('end_date', new Date(to).toISOString());
  return search.toString();
}

/** For the counts next to suggestions; by day, because they are added up. */
function suggestionQuery(filters: string, range: Range): string | null {
  const ends = rangeEnds(range, Date.now());
  const to = Math.ceil((ends.to ?? Date.now()) / 60_000) * 60_000;
  const from = ends.from ?? (range.kind === 'all' ? to - 364 * 86_400_000 : null);
  if (from === null || chooseInterval(from, to) === null) return null;
  const search = new URLSearchParams(filters);
  search.set('start_date', new Date(from - (from % 60_000)).toISOString());
  search.set('end_date', new Date(to).toISOString());
  return search.toString();
}

function clearPath(range: Range): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(rangeParameters(range))) if (value !== null) search.set(name, value);
  return search.size === 0 ? '/' : `/?${search}`;
}

function Empty({ hasFilters, range, onAllTime }: { hasFilters: boolean; range: Range; onAllTime: () => void }) {
  if (hasFilters)
    return (
      <Notice icon="search" title="No event matches">
        <p>Remove a filter above, or look at a longer time.</p>
        {range.kind !== 'all' && (
          <button type="button" className="button" onClick={onAllTime}>
            Search all time
          </button>
        )}
      </Notice>
    );
  if (range.kind !== 'all')
    return (
      <Notice icon="log" title="Nothing happened in this time">
        <button type="button" className="button" onClick={onAllTime}>
          Show all time
        </button>
      </Notice>
    );
  return (
    <Notice icon="log" title="No events yet">
      <p>Record one. It appears here within seconds.</p>
      <pre className="example">{exampleCall()}</pre>
    </Notice>
  );
}

function exampleCall(): string {
  const address = location.href.replace(/\/ui.*$/, '');
  return `curl ${address}/audit \\
  -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \\
  -d '{"changed_by": "ana", "action": "updated", "table_name": "teams",
       "object_id": "42", "before_value": {"max_budget": 10},
       "updated_values": {"max_budget": 25}}'`;
}

function SkeletonRows() {
  return (
    <div className="skeleton-rows" aria-busy="true">
      <span className="unseen" role="status">
        Loading events
      </span>
    </div>
  );
}

function Footer({ state, total }: { state: ReturnType<typeof useListState>; total: number | null }) {
  const now = useRef(Date.now());
  now.current = Date.now();
  const loaded = state.rows.length;
  const open = state.rows.filter(({ id }) => {
    const archived = state.archive.get(id);
    return archived !== undefined && archived !== 'done';
  });
  const oldest = open.at(-1);
  const words = [
    total === null ? `${count(loaded)} loaded` : `${count(loaded)} of ${count(Math.max(total, loaded))} events`,
    open.length === 0
      ? loaded > 0 && 'all shown are archived'
      : `${open.length} not archived yet${oldest ? `, oldest ${duration((now.current - Date.parse(oldest.recordedAt)) / 1000)}` : ''}`,
  ];
  return (
    <footer className="log-foot">
      <span>{words.filter(Boolean).join(' · ')}</span>
      <span className="keys-hint">
        <kbd>j</kbd> <kbd>k</kbd> rows <kbd>Enter</kbd> open <kbd>/</kbd> filter <kbd>?</kbd> all keys
      </span>
    </footer>
  );
}
