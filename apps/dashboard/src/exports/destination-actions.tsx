import { useState } from 'react';
import { callJson } from '../http/call.ts';
import { Icon } from '../parts/icon.tsx';
import { useSession } from '../session/session.ts';
import type { DestinationState } from './export-state.ts';
import { ReplayDialog } from './replay-dialog.tsx';

/** Pause, resume, and send again. For keys with the scope `export:replay`. */
export function DestinationActions({ one, reload }: { one: DestinationState; reload: () => void }) {
  const caller = useSession()?.caller;
  const [isReplaying, setReplaying] = useState(false);
  const [failure, setFailure] = useState<string | null>(null);
  if (!caller?.scopes.includes('export:replay')) return null;
  const verb = one.is_paused ? 'resume' : 'pause';
  const toggle = () =>
    callJson(`/destinations/${encodeURIComponent(one.name)}/${verb}`, { method: 'POST' }).then(
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
        {one.is_paused ? `Resume ${one.name}` : `Pause ${one.name}`}
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
          destination={one.name}
          onClose={() => {
            setReplaying(false);
            reload();
          }}
        />
      )}
    </div>
  );
}
