import type { Archived } from '../events/archive-state.ts';
import type { AuditEvent } from '../events/event.ts';
import { FullTime } from '../parts/time.tsx';
import { duration, secondsBetween } from '../time/format.ts';

/** When it happened, when it was recorded, when it was archived, and how long each took. */
export function TimeRail({ event, archived }: { event: AuditEvent; archived: Archived }) {
  const { occurredAt, recordedAt } = event;
  const archivedAt = archived.exported_at;
  return (
    <ol className="time-rail" aria-label="Three times of this event">
      <Stop name="Happened" at={occurredAt} delay={null} />
      <Stop name="Recorded" at={recordedAt} delay={secondsBetween(occurredAt, recordedAt)} />
      {archivedAt === null ? (
        <li className="rail-stop open">
          <strong>Archived</strong>
          <span>not yet</span>
        </li>
      ) : (
        <Stop name="Archived" at={archivedAt} delay={secondsBetween(recordedAt, archivedAt)} />
      )}
    </ol>
  );
}

function Stop({ name, at, delay }: { name: string; at: string; delay: number | null }) {
  return (
    <li className="rail-stop">
      <strong>{name}</strong>
      <FullTime at={at} />
      {delay !== null && (
        <span className="rail-delay">{delay < 0 ? `${duration(delay)} before` : `+${duration(delay)}`}</span>
      )}
    </li>
  );
}
