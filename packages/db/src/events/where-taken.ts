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
