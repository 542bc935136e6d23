import type { SecretBeginning } from './secret-values.ts';

/*
 * A table that says for each pair of bytes what may stand there, so that a pass over a clean event costs one look-up for each
 * byte, however many rules there are.
 */

const quote = 0x22;
const apostrophe = 0x27;
const colon = 0x3a;
const equals = 0x3d;
const backslash = 0x5c;

/** What a pair of bytes announces. Larger numbers are places in the list of beginnings. */
const nothing = 0;
export const endOfName = 1;
export const backslashEscape = 2;
export const sign = 3;
export const spacedColon = 4;
export const bareColon = 5;
export const escapedColon = 6;
export const firstBeginning = 7;
/** As many places as a byte can name. */
const maxPairs = 250;
/** Seven bits of each byte. */
const pairMask = 0x3fff;

/** A text with which secrets begin, by one of its pairs. */
interface PlacedBeginning {
  readonly beginning: SecretBeginning;
  readonly first: number;
  /** Where the second byte of the pair stands in the beginning. */
  readonly offset: number;
}

/** What each pair announces, and the beginnings that it may be of. */
export interface PairIndex {
  readonly pairs: Uint8Array;
  readonly beginnings: readonly (readonly PlacedBeginning[])[];
}

/** Makes the table. `lastOfNames`: the characters with which the names of assignments end. */
export function indexPairs(all: readonly SecretBeginning[], lastOfNames: string): PairIndex {
  const pairs = new Uint8Array(pairMask + 1);
  for (let before = 0; before < 128; before += 1) {
    pairs[(before << 7) | backslash] = backslashEscape;
    pairs[(before << 7) | equals] = sign;
    pairs[(before << 7) | apostrophe] = sign;
  }
  // `password: …` in a text. The names end with these letters.
  for (const letter of `'${lastOfNames}${lastOfNames.toUpperCase()}`)
    pairs[(letter.charCodeAt(0) << 7) | colon] = bareColon;
  // `password\t: …` as JSON writes a tab, and a blank that is not ASCII, of whose last byte a pair has the lower seven bits.
  const wide = Array.from({ length: 0x40 }, (_, low) => low);
  for (const before of [...wide, ...Buffer.from('abcdefABCDEF')])
    if (pairs[(before << 7) | colon] === nothing) pairs[(before << 7) | colon] = escapedColon;
  for (const space of '\t\n\v\f\r ') pairs[(space.charCodeAt(0) << 7) | colon] = spacedColon;
  pairs[(quote << 7) | colon] = endOfName;
  const beginnings: PlacedBeginning[][] = [];
  for (const beginning of all) {
    const offset = findRarestPair(beginning.text);
    const pair = (beginning.text.charCodeAt(offset - 1) << 7) | beginning.text.charCodeAt(offset);
    if (pairs[pair] === nothing && beginnings.length < maxPairs) beginnings.push([]);
    // With very many prefixes several pairs share a place.
    if (pairs[pair] === nothing) pairs[pair] = firstBeginning + beginnings.length - 1;
    beginnings[(pairs[pair] as number) - firstBeginning]?.push({
      beginning,
      first: beginning.text.charCodeAt(0),
      offset,
    });
  }
  return { pairs, beginnings };
}

/** Where the second character of the pair stands that is likely to be the rarest in events. */
function findRarestPair(text: string): number {
  const frequency = (at: number) => characterFrequency(text.charAt(at - 1)) * characterFrequency(text.charAt(at));
  let rarest = 1;
  for (let at = 2; at < text.length; at += 1) if (frequency(at) < frequency(rarest)) rarest = at;
  return rarest;
}

/** Ids and hashes are made of hexadecimal digits, and most other characters are small letters. */
function characterFrequency(character: string): number {
  if (/[0-9a-f]/.test(character)) return 9;
  if (/[g-z]/.test(character)) return 4;
  return /[ :/-]/.test(character) ? 2 : 1;
}

/** What the pair announces that ends here. */
export function announcedAt(bytes: Uint8Array, at: number, pairs: Uint8Array): number {
  return pairs[(((bytes[at - 1] as number) << 7) | (bytes[at] as number)) & pairMask] as number;
}

/** Where the next pair ends that announces something, or `length`. A pass spends most of its time in this loop. */
export function findPair(bytes: Uint8Array, start: number, length: number, pairs: Uint8Array): number {
  let before = bytes[start - 1] as number;
  for (let at = start; at < length; at += 1) {
    const byte = bytes[at] as number;
    if (pairs[((before << 7) | byte) & pairMask] !== nothing) return at;
    before = byte;
  }
  return length;
}
