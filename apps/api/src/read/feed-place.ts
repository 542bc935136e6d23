/** Where a feed is: an outbox id, or one for each cell. */
export type FeedPlace =
  | { readonly kind: 'one'; readonly after: bigint }
  | { readonly kind: 'cells'; readonly after: ReadonlyMap<string, bigint> };
