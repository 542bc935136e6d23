import { skipSpace, skipString } from '../json/json-text.ts';
import { isHarmless, type NameRules } from './secret-names.ts';
import type { ValueRules } from './secret-values.ts';

interface Rules {
  readonly names: NameRules;
  readonly values: ValueRules;
}

const quote = 0x22;
const openArray = 0x5b;
const openObject = 0x7b;

/** An escape that can hide a name or a pattern: a quote, a slash, or an ASCII character by its number. */
const hidingEscape = /\\(?:["/]|u00[2-7])/;

/**
 * Whether a text certainly holds no secret. Almost every text is decided here, by searches of the engine that take a
 * microsecond for a kilobyte.
 */
export function isClean(text: string, { names, values }: Rules): boolean {
  if (text.includes('\\') && hidingEscape.test(text)) return false;
  if (values.mayHold(text)) return false;
  for (let at = text.indexOf(':'); at !== -1; at = text.indexOf(':', at + 1)) {
    if (text.charCodeAt(at - 1) !== quote) continue;
    if (!names.mayEndWith(text.charCodeAt(at - 2), text.charCodeAt(at - 3))) continue;
    const kind = names.kindOf(text.slice(text.lastIndexOf('"', at - 2) + 1, at - 1));
    if (kind !== null && !isHarmlessValue(text, at + 1, kind)) return false;
  }
  return true;
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
