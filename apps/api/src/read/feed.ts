import { workForAll } from '@auditbox/db/database/holder.ts';
import type { EventFilter } from '@auditbox/db/queries/event-filter.ts';
import { createFeedEdge, type FeedEdge } from '@auditbox/db/queries/feed-edge.ts';
import { type FeedEvent, findFeedStart, readFeed } from '@auditbox/db/queries/read-feed.ts';
import { gather } from '@auditbox/process/gather.ts';
import { sleep } from '@auditbox/process/sleep.ts';
import type { Reader } from './readers.ts';

/** The next events of a database in the order of recording; `after` is an outbox id, null at the beginning. */
export type Feed = (query: {
  readonly filter: EventFilter;
  readonly after: bigint | null;
  readonly pageSize: number;
}) => Promise<{ readonly events: readonly FeedEvent[]; readonly last: bigint; readonly isCaughtUp: boolean }>;

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
    const db = primary.poolFor();
    const edge = await awaitFeedEdge(() => shareEdge(null));
    const begin = after ?? (await findFeedStart(db, filter.recordedAfter ?? ''));
    const { events, last } = await readFeed(db, { filter, after: begin, upTo: edge.safe, limit });
    return { events, last, isCaughtUp: last >= edge.safe };
  };
}

/** The rows are read after it, as the argument of the edge needs. */
async function awaitFeedEdge(feedEdge: () => Promise<FeedEdge>): Promise<FeedEdge> {
  const startedAt = performance.now();
  const first = await feedEdge();
  for (let edge = first; ; edge = await feedEdge()) {
    if (edge.safe >= first.greatest || performance.now() - startedAt > feedWaitMs) return edge;
    await sleep(feedCheckMs, new AbortController().signal);
  }
}
