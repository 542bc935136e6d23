import { memo } from 'react';
import { summarize } from '../diff/list-changes.ts';
import { ShortValue } from '../diff/value-text.tsx';
import type { ArchiveState } from '../events/archive-state.ts';
import { type AuditEvent, aliasOf } from '../events/event.ts';
import { ActionMark } from '../parts/action-mark.tsx';
import { ArchiveBadge } from '../parts/archive-badge.tsx';
import { GivenText } from '../parts/given-text.tsx';
import { TimeOfDay } from '../parts/time.tsx';
import { eventPath, follow } from '../place/place.ts';
import { spellOdd } from '../text/odd-characters.ts';
import { duration, secondsBetween } from '../time/format.ts';
import { exactly } from './filters.ts';

/** An event that was recorded this long after it happened is marked. */
const lateS = 60;

/** One event of the list. Each value adds a filter; the time opens the event. */
export const EventRow = memo(function EventRow({
  event,
  index,
  archive,
  isSelected,
  onSelect,
  onOpen,
  onFilter,
}: {
  event: AuditEvent;
  /** Among all rows, from 1; the header is row 1. */
  index: number;
  archive: ArchiveState | undefined;
  isSelected: boolean;
  onSelect: (id: string) => void;
  onOpen: (id: string) => void;
  onFilter: (name: string, value: string) => void;
}) {
  const alias = aliasOf(event);
  const lateBy = secondsBetween(event.occurredAt, event.recordedAt);
  const link = follow(eventPath(event.id));
  return (
    <tr
      className={`event-row ${isSelected ? 'selected' : ''}`}
      aria-rowindex={index + 1}
      aria-selected={isSelected}
      data-id={event.id}
      onClick={() => onSelect(event.id)}
      onDoubleClick={() => onOpen(event.id)}
    >
      <td className="cell-time">
        <a
          href={link.href}
          onClick={(click) => {
            if (click.metaKey || click.ctrlKey || click.shiftKey || click.button !== 0) return;
            click.preventDefault();
            onOpen(event.id);
          }}
        >
          <TimeOfDay at={event.occurredAt} />
        </a>
        {lateBy > lateS && (
          <span className="late" title="It was recorded this long after it happened">
            +{duration(lateBy).replace(' min', 'm').replace(' ', '')}
          </span>
        )}
      </td>
      <td className="cell-action">
        <FilterValue name="action" value={event.action} onFilter={onFilter}>
          <ActionMark action={event.action} />
        </FilterValue>
      </td>
      <td className="cell-object">
        <span className="object-line">
          <FilterValue name="object_id" value={event.object} onFilter={onFilter}>
            <span className={alias === null ? 'object-name mono' : 'object-name'}>
              <GivenText text={alias ?? event.object} />
            </span>
          </FilterValue>
          <FilterValue name="table_name" value={event.table} onFilter={onFilter}>
            <span className="table-name">
              <GivenText text={event.table} />
            </span>
          </FilterValue>
        </span>
      </td>
      <td className="cell-change">
        <ChangeLine event={event} />
      </td>
      <td className="cell-actor">
        <FilterValue name="changed_by" value={event.actor} onFilter={onFilter}>
          <GivenText text={event.actor} />
        </FilterValue>
      </td>
      <td className="cell-archive">
        <ArchiveBadge state={archive} />
      </td>
    </tr>
  );
});

function FilterValue({
  name,
  value,
  onFilter,
  children,
}: {
  name: string;
  value: string;
  onFilter: (name: string, value: string) => void;
  children: React.ReactNode;
}) {
  return (
    <button
      type="button"
      className="filter-value"
      title={`${spellOdd(value)}\nClick to show only this`}
      onClick={(event) => {
        event.stopPropagation();
        onFilter(name, exactly(value));
      }}
    >
      {children}
    </button>
  );
}

/** What changed, in one line: `max_budget 10 → 25 · +1`, or `models.2 + "c"`. */
export function ChangeLine({ event }: { event: AuditEvent }) {
  const { first, more, words } = summarize(event);
  if (first === null) return <span className="change-words">{words}</span>;
  return (
    <span className="change-line">
      <span className="change-path">
        <GivenText text={first.path} />
      </span>
      {first.before === null ? (
        <span className="change-arrow">+</span>
      ) : (
        <>
          <ShortValue text={first.before} />
          <span className="change-arrow" aria-hidden="true">
            →
          </span>
        </>
      )}
      <ShortValue text={first.after} />
      {more > 0 && (
        <span className="change-more" title={`${more} more ${more === 1 ? 'change' : 'changes'}`}>
          +{more}
        </span>
      )}
    </span>
  );
}
