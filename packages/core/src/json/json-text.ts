/**
 * JSON kept as text. A value goes from the request to the table and to the object without being printed again, so
 * numbers keep every digit, keys keep their order and escapes keep their form. `JSON.parse` would lose digits.
 *
 * Every function here requires text that `JSON.parse` has accepted. The scanning code relies on that.
 */

declare const checked: unique symbol;

/** A JSON value as text, without white space between its tokens. */
export type JsonText = string & { readonly [checked]: true };

/** Deepest nesting of a value. Common JSON parsers accept this depth, and so does Postgres's stack. */
export const maxDepth = 128;

/** A value inside a larger text: where it starts and ends, and how deeply it nests (0 for a scalar). */
export interface JsonSlice {
  readonly start: number;
  readonly end: number;
  readonly depth: number;
}

const quote = 0x22;
const backslash = 0x5c;
const isSpace = (code: number): boolean => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
const isOpening = (code: number): boolean => code === 0x7b || code === 0x5b;
const isClosing = (code: number): boolean => code === 0x7d || code === 0x5d;

/** The members of a JSON object in order, including duplicates. Names are unescaped. */
export function objectMembers(text: string): { readonly name: string; readonly value: JsonSlice }[] {
  const members: { name: string; value: JsonSlice }[] = [];
  let at = skipSpace(text, skipSpace(text, 0) + 1);
  while (text.charCodeAt(at) === quote) {
    const nameEnd = skipString(text, at);
    const name: string = JSON.parse(text.slice(at, nameEnd));
    const value = sliceValue(text, skipSpace(text, skipSpace(text, nameEnd) + 1));
    members.push({ name, value });
    at = skipSpace(text, skipSpace(text, value.end) + 1);
  }
  return members;
}

/** The elements of a JSON array in order. */
export function arrayElements(text: string): JsonSlice[] {
  const elements: JsonSlice[] = [];
  let at = skipSpace(text, skipSpace(text, 0) + 1);
  while (at < text.length && !isClosing(text.charCodeAt(at))) {
    const element = sliceValue(text, at);
    elements.push(element);
    at = skipSpace(text, skipSpace(text, element.end) + 1);
  }
  return elements;
}

/** The text of a slice without white space between tokens. Strings stay unchanged. */
export function compactText(text: string, { start, end }: JsonSlice): JsonText {
  let compact = '';
  let kept = start;
  for (let at = start; at < end; ) {
    const code = text.charCodeAt(at);
    if (code === quote) {
      at = skipString(text, at);
    } else if (isSpace(code)) {
      compact += text.slice(kept, at);
      at = skipSpace(text, at);
      kept = at;
    } else {
      at += 1;
    }
  }
  return (compact + text.slice(kept, end)) as JsonText;
}

/** The value that starts here. Any text has an end; one that is not JSON may end anywhere. Stops at `limit`. */
export function sliceValue(text: string, start: number, limit = text.length): JsonSlice {
  let open = 0;
  let depth = 0;
  const length = Math.min(text.length, limit);
  for (let at = start; at < length; ) {
    const code = text.charCodeAt(at);
    if (code === quote) {
      at = skipString(text, at, length);
      if (open === 0) return { start, end: at, depth };
    } else if (isOpening(code)) {
      open += 1;
      depth = Math.max(depth, open);
      at += 1;
    } else if (isClosing(code)) {
      // A closing bracket at level 0 belongs to the parent: a number or literal ended just before it.
      if (open === 0) return { start, end: at, depth };
      open -= 1;
      at += 1;
      if (open === 0) return { start, end: at, depth };
    } else if (open === 0 && (code === 0x2c || isSpace(code))) {
      return { start, end: at, depth };
    } else {
      at += 1;
    }
  }
  return { start, end: length, depth };
}

export function skipSpace(text: string, start: number): number {
  let at = start;
  while (isSpace(text.charCodeAt(at))) at += 1;
  return at;
}

/** Where the string that starts here ends: after the first quote that has an even number of backslashes before it. */
export function skipString(text: string, start: number, limit = text.length): number {
  for (let at = text.indexOf('"', start + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    if (at >= limit) return limit;
    let escapes = at - 1;
    while (text.charCodeAt(escapes) === backslash) escapes -= 1;
    if ((at - escapes) % 2 === 1) return at + 1;
  }
  return limit;
}

/** Where the number, true, false or null that starts here ends. No white space follows it. */
export function skipLiteral(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === 0x2c || isClosing(code)) break;
    at += 1;
  }
  return at;
}
