import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import { dayName } from '../time/format.ts';
import { useZone } from '../time/zone.ts';
import type { EventList, ListState } from './event-list.ts';
import { EventRow } from './event-row.tsx';
import { findDays, lineOfRow, linesBetween } from './lines.ts';

/** Lines outside of the window that are drawn too, so that a quick scroll shows no hole. */
const spare = 12;

/** The rows, of which only those in the window exist. All lines are equally high, so a place is a multiplication. */
export function EventTable({
  list,
  state,
  selected,
  onSelect,
  onOpen,
  onFilter,
  onReading,
}: {
  list: EventList;
  state: ListState;
  selected: string | null;
  onSelect: (id: string) => void;
  onOpen: (id: string) => void;
  onFilter: (name: string, value: string) => void;
  /** Told whenever the reader is, or is no longer, at the newest row. */
  onReading: (isReading: boolean) => void;
}) {
  const zone = useZone();
  const scroller = useRef<HTMLDivElement>(null);
  const lineHeight = useLineHeight();
  const { rows } = state;
  const days = useMemo(() => findDays(rows, zone), [rows, zone]);
  const lineCount = rows.length + days.length;
  const [view, setView] = useState({ top: 0, height: 800 });

  const look = useCallback(() => {
    const element = scroller.current;
    if (!element) return;
    list.scrollTop = element.scrollTop;
    onReading(element.scrollTop > lineHeight);
    setView((old) => {
      const top = Math.floor(element.scrollTop / lineHeight) * lineHeight;
      return old.top === top && old.height === element.clientHeight ? old : { top, height: element.clientHeight };
    });
  }, [list, lineHeight, onReading]);

  useLayoutEffect(() => {
    if (scroller.current) scroller.current.scrollTop = list.scrollTop;
    look();
  }, [list, look]);
  useEffect(() => {
    const watcher = new ResizeObserver(look);
    if (scroller.current) watcher.observe(scroller.current);
    return () => watcher.disconnect();
  }, [look]);

  const first = Math.max(0, Math.floor(view.top / lineHeight) - spare);
  const last = Math.min(lineCount, Math.ceil((view.top + view.height) / lineHeight) + spare);
  const isNearEnd = last >= lineCount - 30;
  const lines = linesBetween(rows, days, first, last);
  useEffect(() => {
    if (isNearEnd && !state.isComplete && state.error === null) list.loadMore();
  }, [isNearEnd, list, state.isComplete, state.error]);
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.hidden) return;
      const shown = linesBetween(rows, days, first, last);
      list.refreshArchive(shown.flatMap((line) => (line.kind === 'event' ? [line.event] : [])));
    }, 4_000);
    return () => clearInterval(timer);
  }, [list, rows, days, first, last]);
  const findLine = useCallback(
    (id: string | null) => {
      const row = rows.findIndex((event) => event.id === id);
      return row === -1 ? null : lineOfRow(days, row);
    },
    [rows, days],
  );
  useScrollToSelected(scroller, findLine, selected, lineHeight);

  return (
    <div className="table-scroll" ref={scroller} onScroll={look}>
      <table className="event-table" aria-rowcount={state.isComplete ? state.rows.length + 1 : -1}>
        <caption className="unseen">Audit events, newest first</caption>
        <thead>
          <tr aria-rowindex={1}>
            <th scope="col" className="cell-time">
              Happened
            </th>
            <th scope="col" className="cell-action">
              Action
            </th>
            <th scope="col" className="cell-object">
              Object
            </th>
            <th scope="col" className="cell-change">
              Change
            </th>
            <th scope="col" className="cell-actor">
              Actor
            </th>
            <th scope="col" className="cell-archive">
              Archive
            </th>
          </tr>
        </thead>
        <tbody>
          <Spacer lines={first} lineHeight={lineHeight} />
          {lines.map((line) =>
            line.kind === 'day' ? (
              <tr key={line.at} className="day-row">
                <th scope="rowgroup" colSpan={6}>
                  {dayName(line.at, zone)}
                </th>
              </tr>
            ) : (
              <EventRow
                key={line.event.id}
                event={line.event}
                index={line.row + 1}
                archive={state.archive.get(line.event.id)}
                isSelected={line.event.id === selected}
                onSelect={onSelect}
                onOpen={onOpen}
                onFilter={onFilter}
              />
            ),
          )}
          <Spacer lines={lineCount - last} lineHeight={lineHeight} />
        </tbody>
      </table>
    </div>
  );
}

function Spacer({ lines, lineHeight }: { lines: number; lineHeight: number }) {
  if (lines <= 0) return null;
  return (
    <tr className="spacer">
      <td colSpan={6} style={{ height: lines * lineHeight }} />
    </tr>
  );
}

const narrow = matchMedia('(max-width: 760px)');

/** As in the style sheet: three text lines on a narrow screen. */
function useLineHeight(): number {
  const [isNarrow, setNarrow] = useState(narrow.matches);
  useEffect(() => {
    const changed = () => setNarrow(narrow.matches);
    narrow.addEventListener('change', changed);
    return () => narrow.removeEventListener('change', changed);
  }, []);
  return isNarrow ? 78 : 38;
}

/** The selected row stays in the window when the keyboard moves it, below the header that covers the first lines. */
function useScrollToSelected(
  scroller: { readonly current: HTMLDivElement | null },
  findLine: (id: string | null) => number | null,
  selected: string | null,
  lineHeight: number,
): void {
  const shown = useRef<string | null>(null);
  useEffect(() => {
    const element = scroller.current;
    if (selected === shown.current || !element) return;
    shown.current = selected;
    const at = findLine(selected);
    if (at === null) return;
    const top = at * lineHeight;
    const bottom = top + 2 * lineHeight;
    if (top < element.scrollTop) element.scrollTop = Math.max(0, top - lineHeight);
    else if (bottom > element.scrollTop + element.clientHeight)
      element.scrollTop = bottom - element.clientHeight + lineHeight;
  }, [scroller, findLine, selected, lineHeight]);
}
