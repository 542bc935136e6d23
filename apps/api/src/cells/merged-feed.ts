import type { OutboxPlace } from '@auditbox/db/queries/outbox-place.ts';
import type { FeedEvent } from '@auditbox/db/queries/read-feed.ts';
import type { FeedPart, FeedQuery } from '../read/event-reads.ts';
import type { Feed } from '../read/feed.ts';
import { mergeFeedParts } from '../read/merge-feed-parts.ts';

export interface CellFeed {
  readonly name: string;
  readonly read: Feed;
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
  const placeOf = (name: string): OutboxPlace | null => {
    if (after?.kind === 'cells') return after.after.get(name) ?? null;
    return after?.kind === 'one' && name === onlyBefore ? after.after : null;
  };
  const parts = await Promise.all(feeds.map(({ name, read }) => read({ filter, after: placeOf(name), pageSize })));
  const { events, places, isCaughtUp } = mergeFeedParts(parts, pageSize);
  // Places of cells that this api does not have stay: apis that are restarted one after the other have different lists.
  const place = new Map(after?.kind === 'cells' ? after.after : []);
  for (const [index, { name }] of feeds.entries()) place.set(name, places[index] as OutboxPlace);
  return {
    events: events.map(({ event }) => event),
    place: { kind: 'cells', after: place },
    isCaughtUp,
    cellOf: new Map(events.map(({ event, from }) => [event, feeds[from]?.name ?? ''])),
  };
}
