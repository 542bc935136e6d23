import { type FormEvent, useState } from 'react';
import { callJson } from '../http/call.ts';
import { useAnswer } from '../http/use-answer.ts';
import { Dialog } from '../parts/dialog.tsx';
import { counted } from '../time/format.ts';
import { type DestinationState, titleOf } from './export-state.ts';

/** What `POST /exports/replay` answers. */
interface Replay {
  readonly batches: number;
  readonly events: number;
  readonly rejected_events: number;
  readonly has_more: boolean;
}

type Place = Pick<DestinationState, 'name' | 'cell'>;

const ask = ({ name, cell }: Place, isDry: boolean, signal?: AbortSignal) =>
  callJson<Replay>('/exports/replay', {
    method: 'POST',
    body: { destination: name, ...(cell !== undefined && { cell }), dry_run: isDry },
    ...(signal && { signal }),
  });

/** Sends again what failed. The button says how much that is, by a dry run. */
export function ReplayDialog({ place, onClose }: { place: Place; onClose: () => void }) {
  const title = titleOf(place);
  const { value, error } = useAnswer(`replay ${title}`, (signal) => ask(place, true, signal));
  const [isSending, setSending] = useState(false);
  const [failure, setFailure] = useState<string | null>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setSending(true);
    try {
      await ask(place, false);
      onClose();
    } catch (problem) {
      setFailure((problem as Error).message);
      setSending(false);
    }
  };
  const events = value ? value.events + value.rejected_events : 0;
  return (
    <Dialog title={`Send again to ${title}`} onClose={onClose}>
      <form className="dialog-form" onSubmit={submit} aria-busy={value === null && error === null}>
        <p>
          A running exporter sends it. What has arrived is not sent again. Remove the cause first, or it fails again.
          The change is an audit event with your name.
        </p>
        {value?.has_more && <p>This is the first part: repeat it for the rest.</p>}
        <p className="form-error" role="alert">
          {failure ?? error?.message}
        </p>
        <div className="dialog-actions">
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="button primary" disabled={events === 0 || isSending}>
            {value === null ? 'Counting…' : events === 0 ? 'Nothing to send' : `Send ${counted(events, 'event')} again`}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
