import { nodeOf, type OutboxPlace } from '@auditbox/db/queries/outbox-place.ts';
import { maxPageBytes } from '@auditbox/db/queries/page-bytes.ts';
import type { FeedEvent } from '@auditbox/db/queries/read-feed.ts';

/** The next events of one database, or of the ids of one node there. */
export interface DatabaseFeedPart {
  readonly events: readonly FeedEvent[];
  /** Where the next part begins. */
  readonly place: OutboxPlace;
  readonly isCaughtUp: boolean;
}

export interface MergedParts {
  /** With the index of their part. */
  readonly events: readonly { readonly event: FeedEvent; readonly from: number }[];
  /** Of each part. */
  readonly places: readonly OutboxPlace[];
  readonly isCaughtUp: boolean;
}

/** A page of the events of several parts: in their order within a part, and by the recorded time between parts. */
export function mergeFeedParts(parts: readonly DatabaseFeedPart[], pageSize: number): MergedParts {
  const taken = parts.map(() => 0);
  const events: { event: FeedEvent; from: number }[] = [];
  for (let bytes = 0; events.length < pageSize; ) {
    const from = findFirst(parts, taken);
    // A part that ended early for its size has more, which come with the next page.
    const event = from === null ? undefined : parts[from]?.events[taken[from] ?? 0];
    if (from === null || event === undefined || (events.length > 0 && bytes + event.bytes > maxPageBytes)) break;
    events.push({ event, from });
    bytes += event.bytes;
    taken[from] = (taken[from] ?? 0) + 1;
  }
  const left = parts.map((part, index) => part.events.slice(taken[index]));
  return {
    events,
    places: parts.map(({ place }, index) => placeBefore(place, left[index] ?? [])),
    isCaughtUp: parts.every((part, index) => part.isCaughtUp && left[index]?.length === 0),
  };
}

/** The part whose next event was recorded first. */
function findFirst(parts: readonly DatabaseFeedPart[], taken: readonly number[]): number | null {
  let first: { readonly index: number; readonly at: string } | null = null;
  for (const [index, { events }] of parts.entries()) {
    const at = events[taken[index] ?? 0]?.recordedAt;
    if (at !== undefined && (first === null || at < first.at)) first = { index, at };
  }
  return first?.index ?? null;
}

/** The place in front of events that come with the next page. Rows in front of the first one of a node do not match. */
function placeBefore(place: OutboxPlace, left: readonly FeedEvent[]): OutboxPlace {
  const ids = left.map(({ outboxId }) => BigInt(outboxId));
  if (place.length === 1) return ids[0] === undefined ? place : [ids[0] - 1n];
  return place.map((last) => {
    const next = ids.find((id) => nodeOf(id) === nodeOf(last));
    return next === undefined ? last : next - 1n;
  });
}
