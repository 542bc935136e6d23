import { useEffect, useMemo, useState } from 'react';
import { ShortValue } from '../diff/value-text.tsx';
import { aliasOf } from '../events/event.ts';
import { exactly } from '../log/filters.ts';
import { ActionMark } from '../parts/action-mark.tsx';
import { CopyButton } from '../parts/copy-button.tsx';
import { GivenText } from '../parts/given-text.tsx';
import { Icon } from '../parts/icon.tsx';
import { ErrorNotice, Notice } from '../parts/notice.tsx';
import { Ago, FullTime } from '../parts/time.tsx';
import { actorPath, eventPath, follow, withSearch } from '../place/place.ts';
import { spellOdd } from '../text/odd-characters.ts';
import { count, counted } from '../time/format.ts';
import type { HistoryStep, Operation } from './load-history.ts';
import { useHistory } from './use-history.ts';
import { valueAt } from './value-at.ts';

/** `/objects/:table/:id`: everything that happened to one object. */
export default function ObjectScreen({ table, object }: { table: string; object: string }) {
  const history = useHistory(table, object);
  const { steps, isComplete, isLoading, error } = history;
  const [field, setField] = useState('');
  const alias = useMemo(() => steps.map(({ event }) => aliasOf(event)).find((name) => name !== null) ?? null, [steps]);
  const fields = useMemo(() => listFields(steps), [steps]);
  const shown = field === '' ? steps : steps.filter(({ changes }) => changes?.some(({ path }) => isBelow(path, field)));
  useEffect(() => {
    document.title = `${spellOdd(alias ?? object)} · Auditbox`;
  }, [alias, object]);
  const newest = steps[0];
  const oldest = steps.at(-1);
  return (
    <div className="screen">
      <a className="back-link" {...follow('/')}>
        <Icon name="left" /> Log
      </a>
      <header className="subject">
        <p className="subject-kind">
          <GivenText text={table} />
        </p>
        <h1>
          <GivenText text={alias ?? object} />
        </h1>
        <p className="event-id">
          <span className="mono">
            <GivenText text={object} />
          </span>
          <CopyButton text={object} label="Copy the id of the object" />
        </p>
      </header>
      {newest && oldest && (
        <dl className="figures">
          <Figure name="Events" value={`${count(steps.length)}${isComplete ? '' : '+'}`} />
          <Figure name="Last change" value={<Ago at={newest.event.occurredAt} />} />
          <Figure name="First seen" value={<Ago at={oldest.event.occurredAt} />} />
          <Figure name="State" value={newest.event.action === 'deleted' ? 'deleted' : 'exists'} />
        </dl>
      )}
      {newest && (
        <div className="timeline-tools">
          <label className="field inline">
            <span>Who changed</span>
            <select value={field} onChange={(event) => setField(event.target.value)}>
              <option value="">any field</option>
              {fields.map((name) => (
                <option key={name} value={name}>
                  {spellOdd(name)}
                </option>
              ))}
            </select>
          </label>
          <a
            className="more-link"
            {...follow(
              withSearch(
                '/',
                new URLSearchParams({ table_name: exactly(table), object_id: exactly(object), range: 'all' }),
              ),
            )}
          >
            Open in the log
          </a>
        </div>
      )}
      <ol className="timeline" aria-label="History, newest first">
        {shown.map((step) => (
          <Step key={step.event.id} step={step} field={field} />
        ))}
      </ol>
      {isLoading && <p className="quiet-text">Reading the history, {counted(steps.length, 'event')} so far.</p>}
      {!isComplete && !isLoading && error === null && (
        <button type="button" className="button" onClick={history.loadMore}>
          Read newer events
        </button>
      )}
      {error && <ErrorNotice error={error} retry={history.loadMore} />}
      {isComplete && steps.length === 0 && (
        <Notice icon="search" title="Nothing is recorded of this object">
          <p>The database keeps events for a limited time. Older ones are only in the archive.</p>
        </Notice>
      )}
    </div>
  );
}

function Figure({ name, value }: { name: string; value: React.ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

const shownChanges = 8;

function Step({ step: { event, changes }, field }: { step: HistoryStep; field: string }) {
  const [showsAll, setShowsAll] = useState(false);
  const relevant = (changes ?? []).filter(({ path }) => field === '' || isBelow(path, field));
  const shown = showsAll ? relevant : relevant.slice(0, shownChanges);
  return (
    <li className={`step step-${event.action}`}>
      <div className="step-head">
        <ActionMark action={event.action} />
        <span>
          by{' '}
          <a {...follow(actorPath(event.actor))}>
            <GivenText text={event.actor} />
          </a>
        </span>
        <a className="step-time" {...follow(eventPath(event.id))}>
          <FullTime at={event.occurredAt} />
        </a>
      </div>
      {changes === null && <p className="quiet-text">The values are too large to compare.</p>}
      {shown.length > 0 && (
        <ul className="step-changes">
          {shown.map((change) => (
            <ChangedPlace key={`${change.op} ${change.path}`} change={change} event={event} />
          ))}
        </ul>
      )}
      {relevant.length > shown.length && (
        <button type="button" className="link-button fold" onClick={() => setShowsAll(true)}>
          {relevant.length - shown.length} more
        </button>
      )}
    </li>
  );
}

function ChangedPlace({
  change: { op, path, value, names },
  event,
}: {
  change: Operation;
  event: HistoryStep['event'];
}) {
  const old = op === 'replace' ? valueAt(event.before, names) : null;
  return (
    <li>
      <span className="diff-name">
        <GivenText text={path === '' ? 'everything' : path} />
      </span>
      {op === 'remove' ? (
        <del>removed</del>
      ) : (
        <span className="diff-pair">
          {op === 'replace' && old !== null && (
            <>
              <del>
                <span className="unseen">was </span>
                <ShortValue text={old} />
              </del>
              <span className="diff-arrow" aria-hidden="true">
                →
              </span>
            </>
          )}
          <ins>
            <span className="unseen">is now </span>
            <ShortValue text={value} />
          </ins>
        </span>
      )}
    </li>
  );
}

/** Fields at the top, most often changed first. */
function listFields(steps: readonly HistoryStep[]): string[] {
  const counts = new Map<string, number>();
  for (const { changes } of steps) {
    for (const { path } of changes ?? []) {
      const name = path.split('.')[0] ?? '';
      if (name !== '') counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  }
  return [...counts].sort((a, b) => b[1] - a[1]).map(([name]) => name);
}

function isBelow(path: string, field: string): boolean {
  return path === field || path.startsWith(`${field}.`) || path === '';
}
