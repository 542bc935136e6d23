import { Icon } from '../parts/icon.tsx';
import { follow, withSearch } from '../place/place.ts';
import { bytes, count, utcDay } from '../time/format.ts';
import type { Day } from './days.ts';
import { hourClass, stateWords } from './describe.ts';
import type { Span } from './span.ts';

/** The hours of one day. Each leads to its events in the log. */
export function DayHours({ day: { date, whole, hours }, hasLog }: { day: Day; hasLog: boolean }) {
  const past = hours.filter(({ from }) => from <= Date.now());
  const most = Math.max(1, ...hours.map(({ archived }) => archived));
  return (
    <section className="card archive-detail" aria-labelledby="day-title">
      <header>
        <h2 id="day-title">{utcDay(date)}</h2>
        <a className="more-link" {...follow(logPath(whole))}>
          Open in the log
        </a>
      </header>
      <div className="archive-table-scroll">
        <table className="archive-table">
          <caption className="unseen">Hours of {utcDay(date)} in UTC</caption>
          <thead>
            <tr>
              <th scope="col">Hour</th>
              <th scope="col" className="number">
                Events
              </th>
              <th scope="col" className="number">
                Objects
              </th>
              <th scope="col" className="number">
                Bytes
              </th>
              {hasLog && (
                <th scope="col" className="number">
                  Logged
                </th>
              )}
              <th scope="col" className="number">
                Verified
              </th>
              <th scope="col">Archive</th>
            </tr>
          </thead>
          <tbody>
            {past.map((hour) => (
              <HourRow key={hour.from} hour={hour} most={most} hasLog={hasLog} />
            ))}
          </tbody>
          <tfoot>
            <Row span={whole} hasLog={hasLog} heat={null} name="Day" />
          </tfoot>
        </table>
      </div>
      {hours.length === 0 && <p className="quiet-text">The archive has one folder for each day, not for each hour.</p>}
    </section>
  );
}

function HourRow({ hour, most, hasLog }: { hour: Span; most: number; hasLog: boolean }) {
  const name = new Date(hour.from).toISOString().slice(11, 16);
  return <Row span={hour} hasLog={hasLog} heat={hourClass(hour, most)} name={name} />;
}

function Row({ span, hasLog, heat, name }: { span: Span; hasLog: boolean; heat: string | null; name: string }) {
  const { archived, missing, objects, state } = span;
  const isEmpty = state === 'empty';
  return (
    <tr className={`is-${state}`}>
      <th scope="row">
        {heat === null ? (
          name
        ) : (
          <a {...follow(logPath(span))}>
            <span className={`archive-hour ${heat}`} aria-hidden="true" />
            {name} <span className="unseen">events in the log</span>
          </a>
        )}
      </th>
      <td className="number">{isEmpty ? <None /> : count(archived + missing)}</td>
      <td className="number">{isEmpty ? <None /> : count(objects)}</td>
      <td className="number">{isEmpty ? <None /> : bytes(span.bytes)}</td>
      {hasLog && <td className="number">{isEmpty ? <None /> : <Share part={span.logged} whole={objects} />}</td>}
      <td className="number">{isEmpty ? <None /> : <Share part={span.verified} whole={objects} />}</td>
      <td>
        <span className={`archive-badge ${state === 'gap' ? 'bad' : state === 'waiting' ? 'waiting' : ''}`}>
          {!isEmpty && <Icon name={state === 'whole' ? 'check' : state === 'waiting' ? 'wait' : 'warn'} />}
          <span>
            {missing > 0 ? `${count(missing)} ${state === 'gap' ? 'missing' : stateWords[state]}` : stateWords[state]}
          </span>
        </span>
      </td>
    </tr>
  );
}

function None() {
  return <span className="quiet-text">–</span>;
}

/** `all`, or how many. */
function Share({ part, whole }: { part: number; whole: number }) {
  if (whole === 0) return <None />;
  if (part === whole) return <>all</>;
  return (
    <span className={part === 0 ? 'quiet-text' : ''}>{part === 0 ? 'none' : `${count(part)} of ${count(whole)}`}</span>
  );
}

/** The end is a part of the range, so it is the last microsecond. */
function logPath({ from, to }: Span): string {
  const search = new URLSearchParams({
    start_date: new Date(from).toISOString(),
    end_date: new Date(to - 1).toISOString().replace('999Z', '999999Z'),
  });
  return withSearch('/', search);
}
