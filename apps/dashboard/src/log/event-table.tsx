import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import type { AuditEvent } from '../events/event.ts';
import { dayKey, dayName } from '../time/format.ts';
import { useZone } from '../time/zone.ts';
import type { EventList, ListState } from './event-list.ts';
import { EventRow } from './event-row.tsx';

/** A line of the table: an event, or the day that begins below it. */
type Line =
  | { readonly kind: 'day'; readonly text: string }
  | { readonly kind: 'event'; readonly event: AuditEvent; readonly n: number };

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
  const lines = useMemo(() => makeLines(state.rows, zone), [state.rows, zone]);
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
  const last = Math.min(lines.length, Math.ceil((view.top + view.height) / lineHeight) + spare);
  const isNearEnd = last >= lines.length - 30;
  useEffect(() => {
    if (isNearEnd && !state.isComplete && state.error === null) list.loadMore();
  }, [isNearEnd, list, state.isComplete, state.error]);
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.hidden) return;
      list.refreshArchive(lines.slice(first, last).flatMap((line) => (line.kind === 'event' ? [line.event.id] : [])));
    }, 4_000);
    return () => clearInterval(timer);
  }, [list, lines, first, last]);
  useScrollToSelected(scroller, lines, selected, lineHeight);

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
          {lines.slice(first, last).map((line) =>
            line.kind === 'day' ? (
              <tr key={line.text} className="day-row">
                <th scope="rowgroup" colSpan={6}>
                  {line.text}
                </th>
              </tr>
            ) : (
              <EventRow
                key={line.event.id}
                event={line.event}
                index={line.n}
                archive={state.archive.get(line.event.id)}
                isSelected={line.event.id === selected}
                onSelect={onSelect}
                onOpen={onOpen}
                onFilter={onFilter}
              />
            ),
          )}
          <Spacer lines={lines.length - last} lineHeight={lineHeight} />
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

function makeLines(rows: readonly AuditEvent[], zone: Parameters<typeof dayKey>[1]): Line[] {
  const lines: Line[] = [];
  let day = '';
  rows.forEach((event, index) => {
    const key = dayKey(event.occurredAt, zone);
    if (key !== day) lines.push({ kind: 'day', text: dayName(event.occurredAt, zone) });
    day = key;
    lines.push({ kind: 'event', event, n: index + 1 });
  });
  return lines;
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
  lines: readonly Line[],
  selected: string | null,
  lineHeight: number,
): void {
  const shown = useRef<string | null>(null);
  useEffect(() => {
    const element = scroller.current;
    if (selected === shown.current || !element) return;
    shown.current = selected;
    const at = lines.findIndex((line) => line.kind === 'event' && line.event.id === selected);
    if (at === -1) return;
    const top = at * lineHeight;
    const bottom = top + 2 * lineHeight;
    if (top < element.scrollTop) element.scrollTop = Math.max(0, top - lineHeight);
    else if (bottom > element.scrollTop + element.clientHeight)
      element.scrollTop = bottom - element.clientHeight + lineHeight;
  }, [scroller, lines, selected, lineHeight]);
}
