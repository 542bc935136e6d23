import { useState } from 'react';
import { callJson } from '../http/call.ts';
import { Icon } from '../parts/icon.tsx';
import { useSession } from '../session/session.ts';
import { type DestinationState, titleOf } from './export-state.ts';
import { ReplayDialog } from './replay-dialog.tsx';

/** Pause, resume, and send again. For keys with the scope `export:replay`. */
export function DestinationActions({ one, reload }: { one: DestinationState; reload: () => void }) {
  const caller = useSession()?.caller;
  const [isReplaying, setReplaying] = useState(false);
  const [failure, setFailure] = useState<string | null>(null);
  if (!caller?.scopes.includes('export:replay')) return null;
  const verb = one.is_paused ? 'resume' : 'pause';
  const cell = one.cell === undefined ? '' : `?cell=${encodeURIComponent(one.cell)}`;
  const toggle = () =>
    callJson(`/destinations/${encodeURIComponent(one.name)}/${verb}${cell}`, { method: 'POST' }).then(
      () => {
        setFailure(null);
        reload();
      },
      (error: Error) => setFailure(error.message),
    );
  const isStuck = one.failed.length + one.rejected.length > 0;
  return (
    <div className="destination-actions">
      <button type="button" className="button" onClick={toggle}>
        <Icon name={one.is_paused ? 'right' : 'pause'} />
        {one.is_paused ? `Resume ${titleOf(one)}` : `Pause ${titleOf(one)}`}
      </button>
      {isStuck && (
        <button type="button" className="button primary" onClick={() => setReplaying(true)}>
          Send again…
        </button>
      )}
      {failure && (
        <p className="form-error" role="alert">
          {failure}
        </p>
      )}
      {isReplaying && (
        <ReplayDialog
          place={one}
          onClose={() => {
            setReplaying(false);
            reload();
          }}
        />
      )}
    </div>
  );
}
