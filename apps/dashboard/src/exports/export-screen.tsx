import { useEffect } from 'react';
import { callJson } from '../http/call.ts';
import { useAnswer } from '../http/use-answer.ts';
import { Icon } from '../parts/icon.tsx';
import { ErrorNotice, Notice } from '../parts/notice.tsx';
import { Destination } from './destination.tsx';
import { type ExportState, titleOf } from './export-state.ts';

/** `/export`: is anything stuck? The oldest age first, then what waits for a person, then the numbers. */
export default function ExportScreen() {
  const { value, error, reload } = useAnswer(
    'exports',
    (signal) => callJson<ExportState>('/exports', { signal }),
    5_000,
  );
  const stuck = (value?.destinations ?? []).reduce(
    (sum, { deliveries, rejected_rows }) => sum + deliveries.failed + rejected_rows,
    0,
  );
  useEffect(() => {
    document.title = `${stuck > 0 ? `! ${stuck} failed · ` : ''}Export · Auditbox`;
  }, [stuck]);
  return (
    <div className="screen">
      <header className="screen-head">
        <h1>Export</h1>
        {value && error && (
          <p className="stale-note" role="status">
            <Icon name="warn" /> {error.message} What you see is older.
          </p>
        )}
      </header>
      {error && !value && <ErrorNotice error={error} retry={reload} />}
      {!value && !error && <div className="skeleton" aria-busy="true" />}
      {value?.destinations.length === 0 && (
        <Notice icon="export" title="There is no destination yet">
          <p>An exporter adds its destination when it starts for the first time.</p>
        </Notice>
      )}
      {value?.destinations.map((one) => (
        <Destination key={titleOf(one)} one={one} pending={value.pending} reload={reload} />
      ))}
    </div>
  );
}
