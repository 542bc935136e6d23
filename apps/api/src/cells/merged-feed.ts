import { maxPageBytes } from '@auditbox/db/queries/page-bytes.ts';
import type { FeedEvent } from '@auditbox/db/queries/read-feed.ts';
import type { FeedPart, FeedQuery } from '../read/event-reads.ts';
import type { Feed } from '../read/feed.ts';

export interface CellFeed {
  readonly name: string;
  readonly read: Feed;
}

interface CellPart {
  readonly name: string;
  readonly begin: bigint | null;
  readonly events: readonly FeedEvent[];
  readonly last: bigint;
  readonly isCaughtUp: boolean;
  taken: number;
}

/**
 * The next events of all cells in the order of recording. Within a cell the order is exact, and nothing is left out. Between
 * cells it is that of their clocks. A cell that is not in the place begins at the beginning of the feed; so does the only
 * database of before, unless `onlyBefore` names it.
 */
export async function readMergedFeed(
  feeds: readonly CellFeed[],
  { filter, after, pageSize }: FeedQuery,
  onlyBefore: string | null,
): Promise<FeedPart & { readonly cellOf: ReadonlyMap<FeedEvent, string> }> {
  const placeOf = (name: string): bigint | null => {
    if (after?.kind === 'cells') return after.after.get(name) ?? null;
    return after?.kind === 'one' && name === onlyBefore ? after.after : null;
  };
  const parts = await Promise.all(
    feeds.map(async ({ name, read }): Promise<CellPart> => {
      const begin = placeOf(name);
      return { name, begin, ...(await read({ filter, after: begin, pageSize })), taken: 0 };
    }),
  );
  const events: FeedEvent[] = [];
  const cellOf = new Map<FeedEvent, string>();
  let bytes = 0;
  while (events.length < pageSize) {
    const first = findFirst(parts);
    if (first === null || (events.length > 0 && bytes + first.event.bytes > maxPageBytes)) break;
    events.push(first.event);
    cellOf.set(first.event, first.part.name);
    bytes += first.event.bytes;
    first.part.taken += 1;
  }
  const place = new Map(parts.map((part) => [part.name, endOf(part)]));
  const isCaughtUp = parts.every((part) => part.isCaughtUp && part.taken === part.events.length);
  return { events, place: { kind: 'cells', after: place }, isCaughtUp, cellOf };
}

function findFirst(parts: readonly CellPart[]): { readonly part: CellPart; readonly event: FeedEvent } | null {
  let first: { readonly part: CellPart; readonly event: FeedEvent } | null = null;
  for (const part of parts) {
    // A cell whose part ended early for its size has more, which come with the next page.
    const event = part.events[part.taken];
    if (event !== undefined && (first === null || event.recordedAt < first.event.recordedAt)) first = { part, event };
  }
  return first;
}

/** The outbox id after which the next page of the cell begins. */
function endOf({ events, taken, last }: CellPart): bigint {
  if (taken === events.length) return last;
  // The first event that is not on the page comes next. Rows in front of it do not match.
  return BigInt(events[taken]?.outboxId ?? last) - 1n;
}
