import { hash } from 'node:crypto';
import { ArchiveError } from './archive.ts';

const filterBytes = 8 * 1024 * 1024;
const probes = 4;

/** A store may skip what was deleted, and return pages without a key. */
const mostEmptyPages = 1_000;

/**
 * Ends a listing that would never end: a store that repeats its pages, in any order and with tokens that are always new, brings no key that
 * was not listed before. Memory does not grow: of each key a few bits are kept, so a page of many new keys is never taken for a repeated one.
 */
export interface ListingGuard {
  /** The keys of a page after which the listing goes on. Throws ArchiveError. */
  pass(keys: readonly string[]): void;
}

export function createListingGuard(): ListingGuard {
  let filter: Buffer | null = null;
  let emptyPages = 0;

  /** Whether the key was not seen before. */
  function isNew(seen: Buffer, key: string): boolean {
    const digest = hash('sha256', key, 'buffer');
    let isUnknown = false;
    for (let n = 0; n < probes; n += 1) {
      const bit = digest.readUInt32BE(4 * n) % (8 * filterBytes);
      const byte = seen[bit >> 3] ?? 0;
      isUnknown ||= (byte & (1 << (bit & 7))) === 0;
      seen[bit >> 3] = byte | (1 << (bit & 7));
    }
    return isUnknown;
  }

  return {
    pass(keys) {
      emptyPages = keys.length === 0 ? emptyPages + 1 : 0;
      if (emptyPages > mostEmptyPages)
        throw new ArchiveError(
          `The store says that its listing goes on, and sent ${mostEmptyPages} pages without a key.`,
        );
      if (keys.length === 0) return;
      filter ??= Buffer.alloc(filterBytes);
      let news = 0;
      for (const key of keys) if (isNew(filter, key)) news += 1;
      if (news === 0) throw new ArchiveError('The store says that its listing goes on, and lists the same keys again.');
    },
  };
}
