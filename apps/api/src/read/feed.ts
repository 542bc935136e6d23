import { workForAll } from '@auditbox/db/database/holder.ts';
import type { EventFilter } from '@auditbox/db/queries/event-filter.ts';
import { createFeedEdge, type FeedEdge, type FeedEdges } from '@auditbox/db/queries/feed-edge.ts';
import { type OutboxPlace, placeIn } from '@auditbox/db/queries/outbox-place.ts';
import { findFeedStart, readFeed } from '@auditbox/db/queries/read-feed.ts';
import { gather } from '@auditbox/process/gather.ts';
import { sleep } from '@auditbox/process/sleep.ts';
import { type DatabaseFeedPart, mergeFeedParts } from './merge-feed-parts.ts';
import type { Reader } from './readers.ts';

/** The next events of a database in the order of recording; `after` is null at the beginning. */
export type Feed = (query: {
  readonly filter: EventFilter;
  readonly after: OutboxPlace | null;
  readonly pageSize: number;
}) => Promise<DatabaseFeedPart>;

/** A feed waits this long for the transactions that write now, so that a caller's own write is on the page. */
const feedWaitMs = 200;
const feedCheckMs = 20;

/** The feed of a database. `primary` knows which transactions run. */
export function createFeed(primary: Reader): Feed {
  const checkEdge = createFeedEdge(primary.poolFor());
  // Feeds that wait share each check, so that a thousand of them cost the database no more than one.
  const shareEdge = gather(async (asked: readonly null[]) => {
    const edge = await workForAll(checkEdge);
    return asked.map(() => edge);
  });
  return async ({ filter, after, pageSize: limit }) => {
    const db = primary.feedPoolFor(filter);
    const readPart = async ({ node, safe }: FeedEdge): Promise<DatabaseFeedPart> => {
      const begin = after === null ? await findFeedStart(db, filter.recordedAfter ?? '', node) : placeIn(after, node);
      const { events, last } = await readFeed(db, { filter, after: begin, upTo: safe, limit });
      return { events, place: [last], isCaughtUp: last >= safe };
    };
    const [edge, ...formerNodes] = await awaitFeedEdge(() => shareEdge(null));
    if (formerNodes.length === 0) return readPart(edge);
    // On Citus, when the rows were moved between nodes.
    const parts = await Promise.all([edge, ...formerNodes].map(readPart));
    const { events, places, isCaughtUp } = mergeFeedParts(parts, limit);
    return { events: events.map(({ event }) => event), place: places.flat(), isCaughtUp };
  };
}

/** The rows are read after it, as the argument of the edge needs. */
async function awaitFeedEdge(feedEdge: () => Promise<FeedEdges>): Promise<FeedEdges> {
  const startedAt = performance.now();
  const first = await feedEdge();
  const [{ node: firstNode, greatest }] = first;
  for (let edges = first; ; edges = await feedEdge()) {
    const edge = edges.find(({ node }) => node === firstNode);
    if (edge === undefined || edge.safe >= greatest || performance.now() - startedAt > feedWaitMs) return edges;
    await sleep(feedCheckMs, new AbortController().signal);
  }
}
