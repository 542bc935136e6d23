import { eventJson } from '../sql/event-json.ts';
import { storedContent } from './repeated-event.ts';

/**
 * A lateral join, `taken`, that finds the event with an id: `id` and `occurred_at`, or no row. Every event has an outbox
 * row, so only the event's own month is read.
 */
export function whereTaken(id: string): string {
  return `cross join lateral (
      select audit_id as id, occurred_at from auditbox.outbox where audit_id = ${id}
      -- Keeps the look-up an index scan. Without it, a plan that was made for empty tables reads them whole.
      offset 0
    ) taken`;
}

/*
 * The events with some ids. `json` is null for an event that retention removed.
 *
 * Caller: writers, to compare events whose ids are stored already.
 * Locks: none.
 * Crash: nothing is written.
 */
export const findTaken = `
  select taken.id::text, case when a.id is not null then ${eventJson} end as json, ${storedContent}
  from json_array_elements_text($1::text::json) as wanted (id)
  ${whereTaken('wanted.id::uuid')}
  left join auditbox.audit_log a on a.id = taken.id and a.occurred_at = taken.occurred_at`;
