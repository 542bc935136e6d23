/**
 * A lateral join, `taken`, to where an event with an id is: `id` and `occurred_at`, or no row. Every event has its outbox
 * row or, once that was pruned, a row of pruned_event, so that no partition is looked into without need.
 *
 * `offset 0` keeps each look-up one of an index: joined freely, a plan that was kept from empty tables reads all of them.
 */
export function whereTaken(id: string): string {
  return `cross join lateral (
      select audit_id as id, occurred_at from outbox where audit_id = ${id} and destination = 's3'
      union all
      select id, occurred_at from pruned_event where pruned_event.id = ${id}
      offset 0
    ) taken`;
}
