import { useState } from 'react';
import { compareValues, isPatch } from '../diff/compare.ts';
import { DiffView } from '../diff/diff-view.tsx';
import { JsonTextView } from '../diff/json-text-view.tsx';
import { listChanges } from '../diff/list-changes.ts';
import { ShortText } from '../diff/short-text.tsx';
import { type AuditEvent, aliasOf, describeRecorder, membersOf } from '../events/event.ts';
import { exactly } from '../log/filters.ts';
import { ActionMark } from '../parts/action-mark.tsx';
import { CopyButton } from '../parts/copy-button.tsx';
import { GivenText } from '../parts/given-text.tsx';
import { actorPath, follow, objectPath, withSearch } from '../place/place.ts';
import { DeliveriesCard } from './deliveries-card.tsx';
import type { FoundEvent } from './load-event.ts';
import { Receipt } from './receipt.tsx';
import { TimeRail } from './time-rail.tsx';

/** Everything about one event: on its own page, and next to the list. */
export function EventView({ found: { event, archived, deliveries } }: { found: FoundEvent }) {
  return (
    <article className="event-view">
      <Title event={event} />
      <TimeRail event={event} archived={archived} />
      <div className="event-cards">
        <div className="event-main">
          <ChangeCard event={event} />
          <section className="card raw-card" aria-labelledby="raw-title">
            <h2 id="raw-title">Raw event</h2>
            <JsonTextView text={event.line} label="the raw event" />
          </section>
        </div>
        <div className="event-side">
          <Receipt event={event} archived={archived} />
          <DeliveriesCard deliveries={deliveries} />
          <WhoCard event={event} />
        </div>
      </div>
    </article>
  );
}

function Title({ event }: { event: AuditEvent }) {
  const alias = aliasOf(event);
  return (
    <header className="event-title">
      <ActionMark action={event.action} />
      <h1 tabIndex={-1} id="event-title">
        <a {...follow(actorPath(event.actor))}>
          <GivenText text={event.actor} />
        </a>{' '}
        <GivenText text={verb(event)} />{' '}
        <a {...follow(objectPath(event.table, event.object))}>
          <GivenText text={alias ?? event.object} />{' '}
          <small>
            <GivenText text={event.table} />
          </small>
        </a>
      </h1>
      <p className="event-id">
        <span className="mono">{event.id}</span>
        <CopyButton text={event.id} label="Copy the id of the event" />
      </p>
    </header>
  );
}

function verb({ action, before, after }: AuditEvent): string {
  if (action !== 'updated' || (before?.length ?? 0) + (after?.length ?? 0) > 100_000) return action;
  const changes = listChanges(compareValues(before, after, true)).length;
  return changes === 0 ? 'updated' : `changed ${changes} ${changes === 1 ? 'field' : 'fields'} of`;
}

function ChangeCard({ event }: { event: AuditEvent }) {
  const { before, after, action } = event;
  const [asWhole, setAsWhole] = useState(false);
  const partial = isPatch(action) && !asWhole;
  const node = compareValues(before, after, partial);
  return (
    <section className="card" aria-labelledby="change-title">
      <header className="card-head">
        <h2 id="change-title">Change</h2>
        {isPatch(action) && before !== null && after !== null && (
          <label className="toggle">
            <input type="checkbox" checked={asWhole} onChange={(change) => setAsWhole(change.target.checked)} />
            <span>Read the new value as the full state</span>
          </label>
        )}
      </header>
      {node === null ? (
        <p className="quiet-text">This event has no values.</p>
      ) : (
        <DiffView node={node} redacted={event.redacted} key={String(asWhole)} />
      )}
    </section>
  );
}

function WhoCard({ event }: { event: AuditEvent }) {
  const recorder = describeRecorder(event.recordedBy);
  const context = event.context === null ? [] : [...membersOf(event.context)];
  const requestId = context.find(([name]) => name === 'request_id')?.[1];
  return (
    <section className="card" aria-labelledby="who-title">
      <h2 id="who-title">Who and where</h2>
      <dl className="facts">
        <Row name="Actor">
          <a {...follow(actorPath(event.actor))}>
            <GivenText text={event.actor} />
          </a>
        </Row>
        <Row name="Recorded by">
          <a
            {...follow(withSearch('/', new URLSearchParams({ recorded_by: exactly(event.recordedBy), range: 'all' })))}
          >
            <GivenText text={recorder.name || 'not known'} />
          </a>{' '}
          <span className="quiet-text">{recorder.name && recorder.kind}</span>
        </Row>
        {event.apiKey !== '' && (
          <Row name="API key">
            <span className="mono">
              <GivenText text={event.apiKey} />
            </span>
          </Row>
        )}
        {event.tenant !== null && (
          <Row name="Tenant">
            <GivenText text={event.tenant} />
          </Row>
        )}
        {context.map(([name, value]) => (
          <Row key={name} name={name}>
            <span className="mono">
              <bdi>
                <ShortText text={value.startsWith('"') ? (JSON.parse(value) as string) : value} />
              </bdi>
            </span>
          </Row>
        ))}
      </dl>
      {requestId?.startsWith('"') && (
        <a
          className="more-link"
          {...follow(
            withSearch(
              '/',
              new URLSearchParams({ 'context.request_id': JSON.parse(requestId) as string, range: '30d' }),
            ),
          )}
        >
          All events of this request
        </a>
      )}
    </section>
  );
}

function Row({ name, children }: { name: string; children: React.ReactNode }) {
  return (
    <div>
      <dt>
        <GivenText text={name} />
      </dt>
      <dd>{children}</dd>
    </div>
  );
}
