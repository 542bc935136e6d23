import { isDeepStrictEqual } from 'node:util';
import type { JsonText } from './json-text.ts';

/**
 * Whether two JSON texts say the same: key order and string escapes do not count, every digit of a number does.
 * `null` stands for an absent value and equals JSON's null.
 */
export function sameJson(left: JsonText | null, right: JsonText | null): boolean {
  if ((left ?? 'null') === (right ?? 'null')) return true;
  return isDeepStrictEqual(parseExactly(left), parseExactly(right));
}

/** Numbers become one-element sets of their source text, so that 1.0 differs from 1 and from "1". */
function parseExactly(text: JsonText | null): unknown {
  return JSON.parse(text ?? 'null', (_key, value: unknown, context?: { source?: string }) =>
    typeof value === 'number' ? new Set([context?.source]) : value,
  );
}
