import { GivenText } from '../parts/given-text.tsx';
import { Icon } from '../parts/icon.tsx';
import { Ago } from '../parts/time.tsx';
import { nameCommand } from '../place/name-command.ts';
import { eventPath, follow } from '../place/place.ts';
import { count, counted, duration } from '../time/format.ts';
import { DestinationActions } from './destination-actions.tsx';
import { type DestinationState, type ExportState, judge, titleOf } from './export-state.ts';
import { HourChart } from './hour-chart.tsx';

/** The destination that is the record. Others have no log, and nobody can read them back. */
const archive = 's3';

/** One destination: how it is, what waits for a person, then the numbers. */
export function Destination({
  one,
  pending,
  reload,
}: {
  one: DestinationState;
  pending: ExportState['pending'];
  reload: () => void;
}) {
  const ageS = Math.max(one.oldest_age_seconds, pending.oldest_age_seconds);
  const health = judge(one, ageS);
  const waiting = pending.rows + one.rows.sealed + one.rows.sending;
  return (
    <section className="destination" aria-labelledby={`destination-${titleOf(one)}`}>
      <div className={`headline ${health.tone}`}>
        <div>
          <h2 id={`destination-${titleOf(one)}`}>{titleOf(one)}</h2>
          <p className="headline-word">
            <Icon name={health.tone === 'good' ? 'check' : health.tone === 'waiting' ? 'wait' : 'warn'} />
            {health.word}
          </p>
          <p>{health.sentence}</p>
        </div>
        <dl className="headline-age">
          <dt>Oldest event waiting</dt>
          <dd>{waiting === 0 ? 'none' : duration(ageS)}</dd>
        </dl>
      </div>
      <DestinationActions one={one} reload={reload} />
      {one.retry && (
        <div className="blocked-note" role="status">
          <Icon name="warn" />
          <p>
            <strong>
              Batch {one.retry.batch_id}, {counted(one.retry.attempts, 'try', 'tries')}:
            </strong>{' '}
            <GivenText text={one.retry.error} /> The next try is in {duration(one.retry.next_attempt_in_seconds)}.
          </p>
        </div>
      )}
      <dl className="figures">
        <Figure name="Waiting" value={counted(waiting, 'event')} note={`${count(pending.rows)} in no batch yet`} />
        <Figure
          name="Sealed"
          value={counted(one.deliveries.sealed, 'batch', 'batches')}
          note={counted(one.rows.sealed, 'event')}
        />
        <Figure
          name="Sending"
          value={counted(one.deliveries.sending, 'batch', 'batches')}
          note={counted(one.rows.sending, 'event')}
        />
        <Figure
          name="Failed"
          value={counted(one.deliveries.failed, 'batch', 'batches')}
          note={counted(one.rows.failed, 'event')}
          isBad={one.deliveries.failed > 0}
        />
        <Figure
          name="Rejected"
          value={`${count(one.rejected_rows)} events`}
          note="it can never take them"
          isBad={one.rejected_rows > 0}
        />
        <Figure
          name="Last object"
          value={one.last_done_at ? <Ago at={one.last_done_at} /> : 'none yet'}
          note={`${count(one.hours.reduce((sum, { objects }) => sum + objects, 0))} in 24 hours`}
        />
      </dl>
      <div className="export-cards">
        <section className="card" aria-label="Exported in the last 24 hours">
          <h2>Events exported, last 24 hours</h2>
          <HourChart hours={one.hours} />
        </section>
        {one.name === archive && <Checks one={one} />}
      </div>
      <Failed one={one} />
    </section>
  );
}

function Figure({
  name,
  value,
  note,
  isBad = false,
}: {
  name: string;
  value: React.ReactNode;
  note: React.ReactNode;
  isBad?: boolean;
}) {
  return (
    <div className={isBad ? 'bad' : ''}>
      <dt>{name}</dt>
      <dd>{value}</dd>
      <dd className="figure-note">{note}</dd>
    </div>
  );
}

function Checks({ one: { log, last_verify: verify } }: { one: DestinationState }) {
  return (
    <section className="card" aria-label="Evidence">
      <h2>Evidence</h2>
      <ul className="checks">
        <li className={log === null ? 'off' : log.size > log.published_size ? 'waiting' : 'good'}>
          <Icon name={log === null ? 'help' : log.size > log.published_size ? 'wait' : 'check'} />
          <p>
            <strong>Signed log</strong>
            {log === null
              ? 'Off. Set EXPORT_LOG_ORIGIN to prove the archive.'
              : log.size === 0
                ? 'On. It has no entry yet.'
                : `${count(log.published_size)} of ${count(log.size)} entries are under a signed checkpoint.`}
          </p>
        </li>
        <li className={verify === null ? 'off' : verify.differences > 0 ? 'bad' : 'good'}>
          <Icon name={verify === null ? 'help' : verify.differences > 0 ? 'warn' : 'check'} />
          <p>
            <strong>Database and bucket</strong>
            {verify === null
              ? `Never compared. Run ${nameCommand('npm run exporter -- --verify')} on a schedule.`
              : `Compared ${duration(verify.age_seconds)} ago: ${verify.differences === 0 ? 'no difference' : `${count(verify.differences)} differences`}.`}
          </p>
        </li>
      </ul>
    </section>
  );
}

function Failed({ one }: { one: DestinationState }) {
  const { failed, rejected } = one;
  if (failed.length + rejected.length === 0) return null;
  return (
    <section className="card" aria-label="What waits for a person">
      <h2>What waits for a person</h2>
      <p className="quiet-text">
        Remove the cause, then send it again here, or run <code>{replayCommand(one.name)}</code>. Both are safe to
        repeat.
      </p>
      <ul className="failures">
        {failed.map(({ batch_id, partition, rows, error }) => (
          <li key={batch_id}>
            <strong>Batch {batch_id}</strong>
            <span>
              {partition} · {counted(rows, 'event')}
            </span>
            <p>
              <GivenText text={error} />
            </p>
          </li>
        ))}
        {rejected.map(({ event_id, reason }) => (
          <li key={event_id}>
            <strong>
              <a {...follow(eventPath(event_id))}>Event {event_id}</a>
            </strong>
            <span>rejected</span>
            <p>
              <GivenText text={reason} />
            </p>
          </li>
        ))}
      </ul>
    </section>
  );
}

function replayCommand(destination: string): string {
  return destination === archive
    ? nameCommand('npm run exporter -- --replay-failed')
    : nameCommand(`npm run destinations -- replay ${destination}`);
}
