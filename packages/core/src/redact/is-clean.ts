import { skipSpace, skipString } from '../json/json-text.ts';
import { isHarmless, type NameRules } from './secret-names.ts';
import type { ValueRules } from './secret-values.ts';

/** What counts as a secret. */
export interface SecretRules {
  readonly names: NameRules;
  readonly values: ValueRules;
}

const quote = 0x22;
const openArray = 0x5b;
const openObject = 0x7b;

/** An escape that can hide a name or a pattern: a quote, a slash, or an ASCII character by its number. */
export const hidingEscape = /\\(?:["/]|u00[2-7])/;

/** Escapes such as `\n` and `\uff1a`. As they are written, a letter or digit stands right before what follows. */
const otherEscape = /\\(?:u([0-9a-fA-F]{4})|([bfnrt\\]))/g;
const decoded: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', '\\': '\\' };

/**
 * A JSON text as the patterns must see it. A key that stands behind a line break is behind the letter `n` otherwise, and so
 * would be the end of a longer word. The text has no hiding escape.
 */
function decodeEscapes(text: string): string {
  return text.replace(otherEscape, (_escape, digits: string | undefined, letter = '') =>
    digits === undefined ? (decoded[letter] as string) : String.fromCharCode(Number.parseInt(digits, 16)),
  );
}

/**
 * Whether a text certainly holds no secret. Almost every text is decided here, by searches of the engine that take a
 * microsecond for a kilobyte.
 */
export function isClean(text: string, { names, values }: SecretRules): boolean {
  const hasEscapes = text.includes('\\');
  if (hasEscapes && hidingEscape.test(text)) return false;
  if (values.mayHold(hasEscapes ? decodeEscapes(text) : text)) return false;
  for (let at = text.indexOf(':'); at !== -1; at = text.indexOf(':', at + 1)) {
    if (text.charCodeAt(at - 1) !== quote) continue;
    // An escape of a separator stands in a name, which then is another one.
    if (hasEscapes && nameEndingAt(text, at).includes('\\')) return false;
    if (
      !names.mayEndWith(
        text.charCodeAt(at - 5),
        text.charCodeAt(at - 4),
        text.charCodeAt(at - 3),
        text.charCodeAt(at - 2),
      )
    )
      continue;
    const kind = names.kindOf(nameEndingAt(text, at));
    if (kind !== null && !isHarmlessValue(text, at + 1, kind)) return false;
  }
  return true;
}

/** The name before the colon that stands here, as it is written. */
export function nameEndingAt(text: string, colon: number): string {
  return text.slice(text.lastIndexOf('"', colon - 2) + 1, colon - 1);
}

/** Whether the value that starts here needs no replacement under a secret name. */
export function isHarmlessValue(text: string, start: number, kind: string): boolean {
  const at = skipSpace(text, start);
  switch (text.charCodeAt(at)) {
    case quote: {
      const end = skipString(text, at);
      return end - at < 200 && isHarmless(text.slice(at + 1, end - 1), kind);
    }
    case openArray:
    case openObject:
      return false;
    // true, false and null tell nothing.
    case 0x74:
    case 0x66:
    case 0x6e:
      return true;
    default:
      // Tokens are counted too.
      return kind === 'token';
  }
}
