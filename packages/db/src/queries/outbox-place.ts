/**
 * How far a feed has come: the last outbox id that it has passed, for each server that gave ids out. That is one id on
 * Postgres. On a Citus cluster each node gives out ids from its own range, and a schema that moves takes its rows along.
 */
export type OutboxPlace = readonly bigint[];

/** The node of a Citus cluster that gave out an id. */
export function nodeOf(id: bigint): bigint {
  return id >> 48n;
}

/** The id behind which the ids of a node begin. */
export function firstPlace(node: bigint | null): bigint {
  return (node ?? 0n) << 48n;
}

/** The id behind which a feed goes on among the ids of a node; null is the only server. */
export function placeIn(place: OutboxPlace, node: bigint | null): bigint {
  const passed = node === null ? place : place.filter((id) => nodeOf(id) === node);
  return passed.reduce((last, id) => (id > last ? id : last), firstPlace(node));
}
