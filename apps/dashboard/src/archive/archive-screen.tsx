import { useEffect } from 'react';
import { useAnswer } from '../http/use-answer.ts';
import { Icon } from '../parts/icon.tsx';
import { ErrorNotice } from '../parts/notice.tsx';
import { nameCommand } from '../place/name-command.ts';
import { goWith, usePlace } from '../place/place.ts';
import { bytes, count, counted, duration, utcMonth } from '../time/format.ts';
import { ArchiveCalendar } from './calendar.tsx';
import { DayHours } from './day-hours.tsx';
import type { Day } from './days.ts';
import { judgeMonth } from './describe.ts';
import { loadMonth, type Month } from './load-month.ts';
import { currentMonth, moveMonth, readMonth } from './month.ts';

/** `/archive`: does the archive have every event, day by day and hour by hour? */
export default function ArchiveScreen() {
  const { search } = usePlace();
  const month = readMonth(search.get('month'));
  const { value, error, isLoading, reload } = useAnswer(month, (signal) => loadMonth(month, signal), 30_000);
  const shown = isLoading ? null : value;
  const gaps = shown?.days.filter(({ whole }) => whole.state === 'gap').length ?? 0;
  useEffect(() => {
    document.title = `${gaps > 0 ? `! ${gaps} with gaps · ` : ''}Archive · Auditbox`;
  }, [gaps]);
  return (
    <div className="screen">
      <header className="screen-head">
        <h1>Archive</h1>
        {shown && error && (
          <p className="stale-note" role="status">
            <Icon name="warn" /> {error.message} What you see is older.
          </p>
        )}
        <MonthSwitch month={month} />
      </header>
      {error && !shown && <ErrorNotice error={error} retry={reload} />}
      {!shown && !error && <div className="skeleton" aria-busy="true" />}
      {shown && <ArchiveMonth month={shown} name={month} opened={search.get('day')} />}
    </div>
  );
}

function MonthSwitch({ month }: { month: string }) {
  const show = (next: string) => goWith({ month: next === currentMonth() ? null : next, day: null });
  return (
    <div className="month-switch">
      <button
        type="button"
        className="icon-button"
        aria-label="Previous month"
        onClick={() => show(moveMonth(month, -1))}
      >
        <Icon name="left" />
      </button>
      <strong role="status">{utcMonth(month)}</strong>
      <button
        type="button"
        className="icon-button"
        aria-label="Next month"
        disabled={month === currentMonth()}
        onClick={() => show(moveMonth(month, 1))}
      >
        <Icon name="right" />
      </button>
    </div>
  );
}

function ArchiveMonth({ month, name, opened }: { month: Month; name: string; opened: string | null }) {
  const { archive, days, sum, uncounted } = month;
  const verdict = judgeMonth(days, sum);
  const open = days.find(({ date }) => date === opened) ?? firstToSee(days);
  const { last_verify: verify, log } = archive;
  return (
    <>
      <div className={`headline ${verdict.tone}`}>
        <div>
          <p className="headline-word">
            <Icon name={verdict.tone === 'good' ? 'check' : verdict.tone === 'waiting' ? 'wait' : 'warn'} />
            {verdict.word}
          </p>
          <p>{verdict.sentence}</p>
        </div>
        <dl className="headline-age archive-age">
          <dt>Compared with the bucket</dt>
          <dd>{verify === null ? 'never' : `${duration(verify.age_seconds)} ago`}</dd>
        </dl>
      </div>
      {uncounted && (
        <p className="stale-note">
          <Icon name="warn" /> The events of the database could not be counted, so only events in batches are compared.{' '}
          {uncounted.message}
        </p>
      )}
      <dl className="figures archive-figures">
        <Figure name="Archived" value={counted(sum.archived, 'event')} note={`${count(sum.missing)} not archived`} />
        <Figure name="Objects" value={count(sum.objects)} note={bytes(sum.bytes)} />
        <Figure
          name="Logged"
          value={log === null ? 'off' : share(sum.logged, sum.objects)}
          note={log === null ? 'set EXPORT_LOG_ORIGIN' : 'under a signed checkpoint'}
        />
        <Figure
          name="Verified"
          value={share(sum.verified, sum.objects)}
          note={
            verify === null
              ? `run ${nameCommand('npm run exporter -- --verify')}`
              : verify.differences === 0
                ? 'no difference found'
                : `${count(verify.differences)} ${verify.differences === 1 ? 'difference' : 'differences'} found`
          }
          isBad={verify !== null && verify.differences > 0}
        />
      </dl>
      <div className="archive-grid">
        <ArchiveCalendar days={days} month={name} open={open?.date ?? null} />
        {open && <DayHours day={open} hasLog={log !== null} />}
      </div>
    </>
  );
}

/** The newest day with a gap, or else the newest day with an event. */
function firstToSee(days: readonly Day[]): Day | undefined {
  return (
    days.findLast(({ whole }) => whole.state === 'gap') ??
    days.findLast(({ whole }) => whole.state !== 'empty') ??
    days.at(-1)
  );
}

function share(part: number, whole: number): string {
  if (whole === 0) return '–';
  return part === whole ? 'all objects' : `${count(part)} of ${count(whole)}`;
}

function Figure({ name, value, note, isBad = false }: { name: string; value: string; note: string; isBad?: boolean }) {
  return (
    <div className={isBad ? 'bad' : ''}>
      <dt>{name}</dt>
      <dd>{value}</dd>
      <dd className="figure-note">{note}</dd>
    </div>
  );
}
