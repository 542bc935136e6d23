import { useRef, useState } from 'react';
import { Popover } from '../parts/popover.tsx';
import { bytes, counted } from '../time/format.ts';
import { type DownloadState, downloadEvents } from './download.ts';

/** Downloads what the filters match, as far as it is counted on the button. */
export function DownloadButton({ query, total }: { query: () => string; total: number | null }) {
  return (
    <Popover icon="save" label="Download" className="download">
      {() => <DownloadPanel query={query} total={total} />}
    </Popover>
  );
}

function DownloadPanel({ query, total }: { query: () => string; total: number | null }) {
  const [format, setFormat] = useState<'ndjson' | 'csv'>('ndjson');
  const [state, setState] = useState<DownloadState>({ kind: 'idle' });
  const stopping = useRef<AbortController | null>(null);
  const start = async () => {
    const stop = new AbortController();
    stopping.current = stop;
    setState({ kind: 'running', bytes: 0 });
    try {
      await downloadEvents(query(), format, setState, stop.signal);
    } catch (error) {
      const reason = stop.signal.aborted
        ? 'Stopped. Nothing was saved.'
        : `${(error as Error).message} Nothing was saved.`;
      setState({ kind: 'incomplete', reason });
    }
  };
  return (
    <div className="download-panel">
      <h2>Download these events</h2>
      <p>{total === null ? 'All events that match the filters.' : `The filters match ${counted(total, 'event')}.`}</p>
      <fieldset className="choices">
        <legend className="unseen">Format</legend>
        <label>
          <input type="radio" name="format" checked={format === 'ndjson'} onChange={() => setFormat('ndjson')} />
          <span>
            <strong>NDJSON</strong> the exact form, one event in each line
          </span>
        </label>
        <label>
          <input type="radio" name="format" checked={format === 'csv'} onChange={() => setFormat('csv')} />
          <span>
            <strong>CSV</strong> for spreadsheets; times are in UTC
          </span>
        </label>
      </fieldset>
      {state.kind === 'running' ? (
        <button type="button" className="button" onClick={() => stopping.current?.abort()}>
          Stop · {bytes(state.bytes)}
        </button>
      ) : (
        <button type="button" className="button primary" onClick={start}>
          {total === null ? 'Download' : `Download ${counted(total, 'event')}`}
        </button>
      )}
      <p role="status" className={state.kind === 'incomplete' ? 'echo bad' : 'echo'}>
        {state.kind === 'saved' && `Saved ${counted(state.rows, 'event')}, all of them.`}
        {state.kind === 'incomplete' && state.reason}
      </p>
    </div>
  );
}
