import type { NewAuditEvent } from '../event/audit-event.ts';
import { hidingEscape, isHarmlessValue, nameEndingAt, type SecretRules } from './is-clean.ts';
import {
  announcedAt,
  backslashEscape,
  bareColon,
  endOfName,
  escapedColon,
  findPair,
  firstBeginning,
  indexPairs,
  sign,
  spacedColon,
} from './secret-pairs.ts';

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
const openArray = 0x5b;
const openObject = 0x7b;

/** Makes the pass. It stops where a pair of bytes announces the end of a name, or the beginning of a secret. */
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
      const announced = announcedAt(bytes, at, pairs);
      if (announced === endOfName) {
        const mayBeSecret = names.mayEndWith(
          bytes[at - 5] ?? 0,
          bytes[at - 4] ?? 0,
          bytes[at - 3] ?? 0,
          bytes[at - 2] ?? 0,
        );
        if ((mayBeSecret || hasEscapes) && !isHarmlessMember(plain, at, hasEscapes || !isAscii)) return false;
        if (holdsContent && isAssignedInText(plain, at)) return false;
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
            : assigned.endsNameBefore(plain, at) || endsEscape(plain, at));
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
   * Whether a text would assign a secret to the name that ends before this colon. The content of a string may be cut off, and
   * is then a text. Texts assign to more names than JSON, as to `signature`, and know fewer values that tell nothing: behind
   * `null` in a text stands whatever follows.
   */
  function isAssignedInText(text: string, at: number): boolean {
    if (assigned === null || !assigned.endsNameBefore(text, at - 1)) return false;
    const isOnlyInTexts = names.kindOf(nameEndingAt(text, at)) === null;
    return isOnlyInTexts || assigned.isAssignedAt(text, at - 1) || assigned.isAssignedAt(text, at);
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
