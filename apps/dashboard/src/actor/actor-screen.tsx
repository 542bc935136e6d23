import { useEffect } from 'react';
import { hueOf } from '../events/action.ts';
import { type AuditEvent, aliasOf } from '../events/event.ts';
import { useAnswer } from '../http/use-answer.ts';
import { ChangeLine } from '../log/event-row.tsx';
import { exactly } from '../log/filters.ts';
import { ActionMark } from '../parts/action-mark.tsx';
import { GivenText } from '../parts/given-text.tsx';
import { Icon } from '../parts/icon.tsx';
import { ErrorNotice, Notice } from '../parts/notice.tsx';
import { FullTime } from '../parts/time.tsx';
import { eventPath, follow, objectPath, withSearch } from '../place/place.ts';
import { spellOdd } from '../text/odd-characters.ts';
import { count, counted } from '../time/format.ts';
import { type Activity, loadActivity, type Share } from './load-activity.ts';
import { WeekMap } from './week-map.tsx';

/** `/actors/:name`: what one actor does, when, and from where. */
export default function ActorScreen({ actor }: { actor: string }) {
  const { value, error, reload } = useAnswer(actor, (signal) => loadActivity(actor, signal));
  useEffect(() => {
    document.title = `${spellOdd(actor)} · Auditbox`;
  }, [actor]);
  return (
    <div className="screen">
      <a className="back-link" {...follow('/')}>
        <Icon name="left" /> Log
      </a>
      <header className="subject">
        <p className="subject-kind">Actor</p>
        <h1>
          <GivenText text={actor} />
        </h1>
        {value && (
          <p className="quiet-text">
            {counted(value.total, 'event')} in 30 days ·{' '}
            <a
              className="more-link"
              {...follow(withSearch('/', new URLSearchParams({ changed_by: exactly(actor), range: '30d' })))}
            >
              Open in the log
            </a>
          </p>
        )}
      </header>
      {error && !value && <ErrorNotice error={error} retry={reload} />}
      {!value && !error && <div className="skeleton" aria-busy="true" />}
      {value && value.newest.length === 0 && <Notice icon="actor" title="Nothing is recorded of this actor" />}
      {value && value.newest.length > 0 && <ActivityCards activity={value} actor={actor} />}
    </div>
  );
}

function ActivityCards({ activity, actor }: { activity: Activity; actor: string }) {
  const to = (name: string, value: string) =>
    withSearch('/', new URLSearchParams({ changed_by: exactly(actor), [name]: exactly(value), range: '30d' }));
  return (
    <div className="actor-grid">
      <section className="card wide" aria-labelledby="week-title">
        <h2 id="week-title">When, in the last 30 days</h2>
        <WeekMap hours={activity.hours} />
      </section>
      <Shares title="What" shares={activity.actions} to={(name) => to('action', name)} isAction />
      <Shares title="Where" shares={activity.tables} to={(name) => to('table_name', name)} />
      <Shares
        title="Addresses of the newest 50"
        shares={activity.addresses}
        to={(name) => withSearch('/', new URLSearchParams({ 'context.ip': name, range: '30d' }))}
      />
      <section className="card wide" aria-labelledby="newest-title">
        <h2 id="newest-title">Newest events</h2>
        <ol className="plain-events">
          {activity.newest.map((event) => (
            <PlainEvent key={event.id} event={event} />
          ))}
        </ol>
      </section>
    </div>
  );
}

function PlainEvent({ event }: { event: AuditEvent }) {
  return (
    <li>
      <a {...follow(eventPath(event.id))}>
        <FullTime at={event.occurredAt} />
      </a>
      <ActionMark action={event.action} />
      <a className="object-name" {...follow(objectPath(event.table, event.object))}>
        <GivenText text={aliasOf(event) ?? event.object} />
      </a>
      <ChangeLine event={event} />
    </li>
  );
}

function Shares({
  title,
  shares,
  to,
  isAction = false,
}: {
  title: string;
  shares: readonly Share[];
  to: (name: string) => string;
  isAction?: boolean;
}) {
  const shown = firstShares(shares);
  const most = Math.max(1, ...shown.map(({ events }) => events));
  return (
    <section className="card">
      <h2>{title}</h2>
      {shares.length === 0 && <p className="quiet-text">None is recorded.</p>}
      <ul className="shares">
        {shown.map(({ name, events }) => (
          <li key={name === null ? 'others' : `name ${name}`}>
            {name === null ? (
              <span className="quiet-text">all others</span>
            ) : (
              <a {...follow(to(name))}>
                <GivenText text={name} />
              </a>
            )}
            <span className="share-count">{count(events)}</span>
            <span className="share-track" aria-hidden="true">
              <span
                className={`fill-${name === null ? 'grey' : isAction ? hueOf(name) : 'teal'}`}
                style={{ width: `${(events / most) * 100}%` }}
              />
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

const mostShares = 8;

/** The largest shares. The smaller ones and those that the api counts together are one line, so that no event is left out. */
function firstShares(shares: readonly Share[]): readonly Share[] {
  const named = shares.filter(({ name }) => name !== null).slice(0, mostShares);
  const others = shares.filter((share) => !named.includes(share)).reduce((sum, { events }) => sum + events, 0);
  return others === 0 ? named : [...named, { name: null, events: others }];
}
