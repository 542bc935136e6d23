import type { Steps } from '../steps.ts';
import { matchesGlob } from '../text/glob.ts';
import type { KeyBounds } from './key-bounds.ts';

/** A bound that lists patterns. */
const patternBounds = ['changed_by', 'table_name', 'action'] as const;

/**
 * The first bound by which a key could do more than another one with the bounds `own`; null if it could do nothing more. Some
 * bounds that are narrower count as wider, because only one pattern or network of `own` is compared at a time. Works in small
 * steps: each of a hundred patterns is compared with each of a hundred.
 */
export function* findWiderBound(
  wanted: KeyBounds,
  own: KeyBounds,
  networks: NetworkOrder,
): Steps<keyof KeyBounds | null> {
  if (wanted.signs_keys === true && own.signs_keys !== true) return 'signs_keys';
  for (const name of patternBounds) if (!(yield* areWithin(wanted[name], own[name], isPatternWithin))) return name;
  if (!(yield* areWithin(wanted.addresses, own.addresses, networks))) return 'addresses';
  const isOlder =
    own.oldest_event_days !== undefined && !((wanted.oldest_event_days ?? Infinity) <= own.oldest_event_days);
  return isOlder ? 'oldest_event_days' : null;
}

/** Whether each address of the first network is in the second one. */
export type NetworkOrder = (network: string, other: string) => boolean;

function* areWithin(
  wanted: readonly string[] | undefined,
  own: readonly string[] | undefined,
  isWithin: (one: string, other: string) => boolean,
): Steps<boolean> {
  if (own === undefined) return true;
  if (wanted === undefined) return false;
  for (const one of wanted) {
    yield;
    if (!own.some((other) => isWithin(one, other))) return false;
  }
  return true;
}

/** Only a star matches a star, so a pattern that matches another one's text matches everything that the other one matches. */
function isPatternWithin(pattern: string, other: string): boolean {
  return matchesGlob(other, pattern);
}
