import type { OutboxPlace } from '@auditbox/db/queries/outbox-place.ts';

/** Where a feed is: in one database, or in each cell. */
export type FeedPlace =
  | { readonly kind: 'one'; readonly after: OutboxPlace }
  | { readonly kind: 'cells'; readonly after: ReadonlyMap<string, OutboxPlace> };
