import type { NewAuditEvent } from '../event/audit-event.ts';
import { hidingEscape, isHarmlessValue, type SecretRules } from './is-clean.ts';
import type { SecretBeginning } from './secret-values.ts';

/** A pass over the bytes of an event, before the searches of its texts. */
export interface SecretScan {
  /** Whether an event certainly holds no secret. False where this pass cannot decide it. */
  isClean(event: NewAuditEvent): boolean;
}

/** Longer events are left to the searches, so that the bytes have a place of a fixed size. */
const maxLength = 16_384;
const maxBytesOfCharacter = 3;
/** Of the escapes that `hidingEscape` finds. */
const longestEscape = 5;

const quote = 0x22;
const apostrophe = 0x27;
const colon = 0x3a;
const equals = 0x3d;
const openArray = 0x5b;
const backslash = 0x5c;
const openObject = 0x7b;

/** What a pair of bytes announces. Larger numbers are places in the list of beginnings. */
const nothing = 0;
const endOfName = 1;
const backslashEscape = 2;
const sign = 3;
const spacedColon = 4;
const bareColon = 5;
const escapedColon = 6;
const firstBeginning = 7;
/** As many places as a byte can name. */
const maxPairs = 250;

/**
 * Makes the pass. A table says for each pair of bytes whether a name ends there, or whether a text with which secrets begin
 * can stand there. So a clean event costs one look-up for each byte, however many rules there are.
 */
export function createSecretScan({ names, values }: SecretRules): SecretScan {
  const bytes = Buffer.allocUnsafe(maxLength * maxBytesOfCharacter);
  const { assigned } = values;
  const { pairs, beginnings } = indexPairs(values.beginnings, assigned?.lastCharacters ?? '');

  function isCleanText(text: string, holdsContent: boolean): boolean {
    const length = bytes.write(text);
    const isAscii = length === text.length;
    if (holdsContent && !isAscii) return false;
    // One character for each byte, so that places are the same in both.
    const plain = isAscii ? text : bytes.toString('latin1', 0, length);
    // Behind an escape the patterns would see its last letter or digit, so the searches decide.
    const isAsWritten = isAscii && !text.includes('\\');
    let hasEscapes = false;
    for (let at = findPair(bytes, 1, length, pairs); at < length; at = findPair(bytes, at + 1, length, pairs)) {
      const announced = pairs[(((bytes[at - 1] as number) << 7) | (bytes[at] as number)) & pairMask] as number;
      if (announced === endOfName) {
        const mayBeSecret = names.mayEndWith(
          bytes[at - 5] ?? 0,
          bytes[at - 4] ?? 0,
          bytes[at - 3] ?? 0,
          bytes[at - 2] ?? 0,
        );
        if ((mayBeSecret || hasEscapes) && !isHarmlessMember(plain, at, hasEscapes || !isAscii)) return false;
        if (holdsContent && isAssignedOnly(plain, at)) return false;
      } else if (announced === backslashEscape) {
        if (hidingEscape.test(plain.slice(at, at + longestEscape))) return false;
        hasEscapes = true;
      } else if (announced === sign) {
        if (assigned !== null && (holdsContent || !isAsWritten || assigned.isAssignedAt(plain, at))) return false;
      } else if (announced === bareColon) {
        const mayAssign =
          assigned !== null &&
          (isAsWritten
            ? assigned.isAssignedAt(plain, at)
            : assigned.endsWithName(plain.slice(Math.max(0, at - assigned.longestName), at)) || endsEscape(plain, at));
        if (mayAssign) return false;
      } else if (announced === escapedColon) {
        const isWide = (bytes[at - 1] as number) > 0x7f;
        if (isWide || (hasEscapes && endsEscape(plain, at))) return false;
      } else if (announced === spacedColon) {
        if (assigned !== null && (holdsContent || !isAsWritten || assigned.isAssignedAt(plain, at))) return false;
      } else {
        // In a text that is not ASCII the patterns would see bytes instead of characters, so the searches decide.
        for (const { beginning, first, offset } of beginnings[announced - firstBeginning] ?? []) {
          const start = at - offset;
          if (bytes[start] !== first || !plain.startsWith(beginning.text, start)) continue;
          if (!isAsWritten || beginning.beginsSecretAt(plain, start)) return false;
        }
      }
    }
    return true;
  }

  /**
   * Whether the name that ends before this colon is one to which texts assign secrets, and no secret name of JSON, as `signature`
   * is. The content of a string may be cut off, and is then a text.
   */
  function isAssignedOnly(text: string, at: number): boolean {
    const end = at - 1;
    if (assigned === null || !assigned.endsWithName(text.slice(Math.max(0, end - assigned.longestName), end)))
      return false;
    return names.kindOf(text.slice(text.lastIndexOf('"', end - 1) + 1, end)) === null;
  }

  /** Whether the name that ends before this colon is not secret, or its value tells nothing. */
  function isHarmlessMember(text: string, at: number, isOdd: boolean): boolean {
    let start = at - 2;
    while (start > 0 && bytes[start] !== quote) start -= 1;
    const name = text.slice(start + 1, at - 1);
    if (isOdd && oddInName.test(name)) return false;
    const kind = names.kindOf(name);
    if (kind === null) return true;
    return ((kind === 'token' || kind === 'api-key') && isHash(bytes, at + 1)) || isHarmlessValue(text, at + 1, kind);
  }

  return {
    isClean({ changedBy, changedByApiKey, action, tableName, tenant, objectId, beforeValue, updatedValues, context }) {
      const texts = `${changedBy}\n${changedByApiKey}\n${action}\n${tableName}\n${tenant}\n${objectId}`;
      if (texts.includes('"')) return false;
      const before = unwrapContent(beforeValue);
      const updated = unwrapContent(updatedValues);
      const text = `${texts}\n${before}\n${updated}\n${context}`;
      if (text.length > maxLength) return false;
      return isCleanText(text, before !== beforeValue || updated !== updatedValues);
    },
  };
}

/** An escape that can be a blank, such as `\t` and `\u2003`. */
const blankEscape = /\\(?:[bfnrt]|u[0-9a-fA-F]{4})$/;

/** Whether an escape ends here. A name may stand before it. */
function endsEscape(text: string, at: number): boolean {
  return blankEscape.test(text.slice(Math.max(0, at - longestEscape - 1), at));
}

/** Where the next pair ends that announces something, or `length`. A pass spends most of its time in this loop. */
function findPair(bytes: Uint8Array, start: number, length: number, pairs: Uint8Array): number {
  let before = bytes[start - 1] as number;
  for (let at = start; at < length; at += 1) {
    const byte = bytes[at] as number;
    if (pairs[((before << 7) | byte) & pairMask] !== nothing) return at;
    before = byte;
  }
  return length;
}

const hexDigits = Uint8Array.from({ length: 256 }, (_, code) =>
  /[0-9a-fA-F]/.test(String.fromCharCode(code)) ? 1 : 0,
);
const hashLength = 64;

/** Whether the string that starts here is a SHA-256. Most events of LiteLLM have one as `token`, so no pattern looks at it. */
function isHash(bytes: Uint8Array, start: number): boolean {
  const end = start + 1 + hashLength;
  if (bytes[start] !== quote || bytes[end] !== quote) return false;
  for (let at = start + 1; at < end; at += 1) if (hexDigits[bytes[at] as number] === 0) return false;
  return true;
}

/** Where a name may be another one than its bytes say. */
const oddInName = /[\\\x80-\xff]/;

/** LiteLLM writes values as JSON text inside a JSON string. The content is then passed over, as the value is otherwise. */
function unwrapContent(value: string | null): string | null {
  if (value === null || value.length > maxLength || value.charCodeAt(0) !== quote) return value;
  const first = value.charCodeAt(1);
  return first === openObject || first === openArray ? (JSON.parse(value) as string) : value;
}

interface PlacedBeginning {
  readonly beginning: SecretBeginning;
  readonly first: number;
  /** Where the second byte of the pair stands in the beginning. */
  readonly offset: number;
}

interface PairIndex {
  readonly pairs: Uint8Array;
  readonly beginnings: readonly (readonly PlacedBeginning[])[];
}

const pairMask = 0x3fff;

/** `lastOfNames`: the characters with which the names of assignments end. */
function indexPairs(all: readonly SecretBeginning[], lastOfNames: string): PairIndex {
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
