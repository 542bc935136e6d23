/**
 * A lateral join, `taken`, that finds the event with an id: `id` and `occurred_at`, or no row. Every event has an outbox
 * row or, after pruning, a row of pruned_event, so only the event's own month is read.
 */
export function whereTaken(id: string): string {
  return `cross join lateral (
      select audit_id as id, occurred_at from outbox where audit_id = ${id} and destination = 's3'
      union all
      select id, occurred_at from pruned_event where pruned_event.id = ${id}
      -- Keeps each look-up an index scan. Without it, a plan that was made for empty tables reads them whole.
      offset 0
    ) taken`;
}
