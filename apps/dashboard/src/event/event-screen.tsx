import { useEffect } from 'react';
import { useAnswer } from '../http/use-answer.ts';
import { GivenText } from '../parts/given-text.tsx';
import { Icon } from '../parts/icon.tsx';
import { ErrorNotice, Notice } from '../parts/notice.tsx';
import { follow } from '../place/place.ts';
import { spellOdd } from '../text/odd-characters.ts';
import { EventView } from './event-view.tsx';
import { loadEvent } from './load-event.ts';

/** `/events/:id`. It asks again until the event is archived. */
export default function EventScreen({ id }: { id: string }) {
  const found = useAnswer(id, (signal) => loadEvent(id, signal), 5_000);
  const shown = found.isLoading ? null : found.value;
  useEffect(() => {
    document.title = shown
      ? spellOdd(`${shown.event.action} ${shown.event.table} ${shown.event.object} · Auditbox`)
      : 'Event · Auditbox';
  }, [shown]);
  return (
    <div className="screen event-screen">
      <a className="back-link" {...follow('/')}>
        <Icon name="left" /> Log
      </a>
      {shown && <EventView found={shown} />}
      {!shown && found.error?.status === 404 && (
        <Notice icon="search" title="There is no such event">
          <p>
            <span className="mono">
              <GivenText text={id} />
            </span>{' '}
            is not in the database. Its month may have been removed after it was archived; then the archive has it.
          </p>
        </Notice>
      )}
      {!shown && found.error && found.error.status !== 404 && <ErrorNotice error={found.error} retry={found.reload} />}
      {!shown && !found.error && <div className="skeleton" aria-busy="true" />}
    </div>
  );
}
