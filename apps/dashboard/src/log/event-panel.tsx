import { useEffect, useRef } from 'react';
import { EventView } from '../event/event-view.tsx';
import { loadEvent } from '../event/load-event.ts';
import { FaultBoundary } from '../fault/fault-boundary.tsx';
import { useAnswer } from '../http/use-answer.ts';
import { Icon } from '../parts/icon.tsx';
import { ErrorNotice } from '../parts/notice.tsx';
import { eventPath, follow } from '../place/place.ts';

/** The open event next to the list. The list stays usable. */
export function EventPanel({
  id,
  onClose,
  onStep,
}: {
  id: string;
  onClose: () => void;
  onStep: (step: 1 | -1) => void;
}) {
  const found = useAnswer(id, (signal) => loadEvent(id, signal), 5_000);
  const panel = useRef<HTMLElement>(null);
  const shown = found.isLoading ? null : found.value;
  const shownId = shown?.event.id;
  useEffect(() => {
    if (shownId) panel.current?.querySelector<HTMLElement>('h1')?.focus({ preventScroll: true });
    if (panel.current) panel.current.scrollTop = 0;
  }, [shownId]);
  return (
    <aside className="event-panel" aria-label="Event" ref={panel}>
      <div className="panel-bar">
        <button type="button" className="icon-button" aria-label="Newer event (k)" onClick={() => onStep(-1)}>
          <Icon name="left" />
        </button>
        <button type="button" className="icon-button" aria-label="Older event (j)" onClick={() => onStep(1)}>
          <Icon name="right" />
        </button>
        <a className="panel-open" {...follow(eventPath(id))}>
          <Icon name="open" /> Own page
        </a>
        <button type="button" className="icon-button" aria-label="Close (Esc)" onClick={onClose}>
          <Icon name="close" />
        </button>
      </div>
      {shown && (
        <FaultBoundary part="This event" place={shown} onRetry={found.reload}>
          <EventView found={shown} />
        </FaultBoundary>
      )}
      {!shown && found.error && <ErrorNotice error={found.error} retry={found.reload} />}
      {!shown && !found.error && <div className="skeleton" aria-busy="true" />}
    </aside>
  );
}
