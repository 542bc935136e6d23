import { useCallback, useEffect, useMemo, useState } from 'react';
import { ErrorNotice } from '../parts/notice.tsx';
import { eventPath, go, goWith, usePlace } from '../place/place.ts';
import { type Range, rangeParameters, readRange } from '../time/range.ts';
import { Chips } from './chips.tsx';
import { DownloadButton } from './download-button.tsx';
import { EmptyList } from './empty-list.tsx';
import { EventPanel } from './event-panel.tsx';
import { eventQuery, suggestionQuery } from './event-query.ts';
import { EventTable } from './event-table.tsx';
import { FilterBox } from './filter-box.tsx';
import { apiFilters, readChips } from './filters.ts';
import { Histogram } from './histogram.tsx';
import { LivePill } from './live-pill.tsx';
import { LogFooter } from './log-footer.tsx';
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
          <EmptyList hasFilters={chips.length > 0} range={range} onAllTime={() => setRange({ kind: 'all' })} />
        )}
        <LogFooter state={state} total={total} />
      </div>
      {opened !== null && <EventPanel id={opened} onClose={close} onStep={step} />}
    </div>
  );
}

function clearPath(range: Range): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(rangeParameters(range))) if (value !== null) search.set(name, value);
  return search.size === 0 ? '/' : `/?${search}`;
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
