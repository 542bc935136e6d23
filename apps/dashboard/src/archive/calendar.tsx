import { type KeyboardEvent, useRef } from 'react';
import { Icon } from '../parts/icon.tsx';
import { goWith } from '../place/place.ts';
import { count, shortCount, utcMonth } from '../time/format.ts';
import type { Day } from './days.ts';
import { describeDay, hourClass, stateWords } from './describe.ts';
import { monthEnds } from './month.ts';

const weekdays = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'];
const dayMs = 86_400_000;

/** A month of days. Each day shows its 24 hours as small squares; one press shows them in full. */
export function ArchiveCalendar({ days, month, open }: { days: readonly Day[]; month: string; open: string | null }) {
  const most = Math.max(1, ...days.flatMap(({ hours }) => hours.map(({ archived }) => archived)));
  const table = useRef<HTMLTableElement>(null);
  const weeks = makeWeeks(month, days);
  const move = (event: KeyboardEvent) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -7, ArrowDown: 7 }[event.key];
    const buttons = [...(table.current?.querySelectorAll<HTMLButtonElement>('.archive-day') ?? [])];
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    if (by === undefined || at === -1) return;
    event.preventDefault();
    buttons[Math.max(0, Math.min(buttons.length - 1, at + by))]?.focus();
  };
  return (
    <section className="card archive-calendar" aria-labelledby="calendar-title">
      <h2 id="calendar-title">
        Events by day and hour <small className="quiet-text">in UTC, as the folders of the archive</small>
      </h2>
      <table ref={table} onKeyDown={move}>
        <caption className="unseen">{utcMonth(month)}. Arrow keys move between days, Enter shows the hours.</caption>
        <thead>
          <tr>
            {weekdays.map((name) => (
              <th key={name} scope="col" abbr={name}>
                {name.slice(0, 3)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {weeks.map((week) => (
            <tr key={week.find((cell) => cell !== null)?.number}>
              {week.map((cell, index) =>
                cell === null ? (
                  <td key={weekdays[index]} />
                ) : (
                  <td key={weekdays[index]}>
                    {cell.day ? (
                      <DayButton day={cell.day} number={cell.number} most={most} isOpen={cell.day.date === open} />
                    ) : (
                      <span className="archive-future">{cell.number}</span>
                    )}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
      <Legend />
    </section>
  );
}

/** Only the open day is a stop of the Tab key; arrow keys reach the others. */
function DayButton({ day, number, most, isOpen }: { day: Day; number: number; most: number; isOpen: boolean }) {
  const { state, archived, missing } = day.whole;
  return (
    <button
      type="button"
      className={`archive-day is-${state}`}
      aria-pressed={isOpen}
      tabIndex={isOpen ? 0 : -1}
      onClick={() => goWith({ day: day.date }, 'replace')}
    >
      <span className="unseen">{describeDay(day)}</span>
      <span className="archive-day-head" aria-hidden="true">
        <span className="archive-number">{number}</span>
        {state === 'gap' && <Icon name="warn" />}
        {state === 'waiting' && <Icon name="wait" />}
      </span>
      <span className="archive-hours" aria-hidden="true">
        {day.hours.length === 0 ? (
          <span className={`archive-hour whole-day ${hourClass(day.whole, day.whole.archived)}`} />
        ) : (
          day.hours.map((hour) => <span key={hour.from} className={`archive-hour ${hourClass(hour, most)}`} />)
        )}
      </span>
      <span className="archive-count" aria-hidden="true">
        {state === 'gap' || state === 'waiting' ? (
          <>
            <span className="wide-only">{`${count(missing)} ${stateWords[state]}`}</span>
            <span className="narrow-only">{shortCount(missing)}</span>
          </>
        ) : (
          <>
            <span className="wide-only">{archived === 0 ? '' : count(archived)}</span>
            <span className="narrow-only">{archived === 0 ? '' : shortCount(archived)}</span>
          </>
        )}
      </span>
    </button>
  );
}

function Legend() {
  return (
    <p className="archive-legend">
      <span>fewer</span>
      {[0, 1, 2, 3, 4, 5].map((step) => (
        <span key={step} className={`archive-hour heat-${step}`} aria-hidden="true" />
      ))}
      <span>more events</span>
      <span className="archive-hour is-waiting" aria-hidden="true" />
      <span>waiting</span>
      <span className="archive-hour is-gap" aria-hidden="true" />
      <span>gap</span>
    </p>
  );
}

type Cell = { readonly number: number; readonly day: Day | undefined } | null;

/** Weeks begin on Monday. Null is a day of another month; a cell without a day is in the future. */
function makeWeeks(month: string, days: readonly Day[]): Cell[][] {
  const { from, to } = monthEnds(month);
  const before = (new Date(from).getUTCDay() + 6) % 7;
  const cells: Cell[] = Array.from({ length: before }, () => null);
  for (let n = 0; n < (to - from) / dayMs; n += 1) cells.push({ number: n + 1, day: days[n] });
  while (cells.length % 7 > 0) cells.push(null);
  return Array.from({ length: cells.length / 7 }, (_, week) => cells.slice(week * 7, week * 7 + 7));
}
