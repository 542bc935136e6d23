/* Patterns of JavaScript, in the regular expressions of Postgres. */

/** What `\s` is in JavaScript. With the collation "C" Postgres counts ASCII alone. */
export const blanks = String.raw`\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff`;
const lineEnds = String.raw`\n\r\u2028\u2029`;

/** A pattern of JavaScript as a regular expression of Postgres with the same meaning. */
export function toPostgres(pattern: string): string {
  let isClass = false;
  return pattern.replaceAll(/\[\\s\\S\]|\\[\s\S]|[[\].]/g, (part) => {
    if (part === '[\\s\\S]') return '.';
    if (part === '[' && !isClass) isClass = true;
    else if (part === ']') isClass = false;
    else if (part === '\\s') return isClass ? blanks : `[${blanks}]`;
    else if (part === '\\w') return isClass ? 'A-Za-z0-9_' : '[A-Za-z0-9_]';
    else if (part === '\\/') return '/';
    else if (part === '.' && !isClass) return `[^${lineEnds}]`;
    return part;
  });
}

/**
 * A pattern with which the search can begin at any character. A look behind there would be tried at each of them, so the
 * character before a secret belongs to the match.
 */
export function consumeBoundary(pattern: string): string {
  return pattern.replace(/^\(\?<!\[([^\]]+)\]\)/, '(?:^|[^$1])');
}

/** A pattern that finds the text. */
export const escapePattern = (text: string) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');

/** The alternatives of a pattern that no parentheses hold together. */
export function splitAlternatives(pattern: string): string[] {
  const parts: string[] = [''];
  let depth = 0;
  let isClass = false;
  for (const [part] of pattern.matchAll(/\\[\s\S]|[\s\S]/g)) {
    if (part === '[') isClass = true;
    else if (part === ']') isClass = false;
    else if (part === '(' && !isClass) depth += 1;
    else if (part === ')' && !isClass) depth -= 1;
    if (part === '|' && depth === 0 && !isClass) parts.push('');
    else parts[parts.length - 1] += part;
  }
  return parts;
}

/** Blocks of Unicode with blanks, punctuation, signs and pictures. Outside of them a character counts as a letter. */
const blocksWithSigns = [
  [0x80, 0x36f],
  [0x2000, 0x2bff],
  [0x3000, 0x303f],
  [0xfe00, 0xfe6f],
  [0xfef0, 0xff0f],
  [0x1f000, 0x1faff],
  // What `unescape` makes of U+0000 and of halves of surrogate pairs.
  [0x10d800, 0x10e000],
] as const;

/** What does not count in a name in lower case, as a class of characters. */
export const separators = (() => {
  const ranges = [String.raw`\u0001-/:-`, '`{-', String.raw`\u007f`];
  for (const [first, last] of blocksWithSigns) {
    let begin = -1;
    for (let code = first; code <= last + 1; code += 1) {
      const isSeparator = code <= last && !/[\p{L}\p{N}]/u.test(String.fromCodePoint(code));
      if (isSeparator && begin === -1) begin = code;
      if (isSeparator || begin === -1) continue;
      ranges.push(begin === code - 1 ? escapeCode(begin) : `${escapeCode(begin)}-${escapeCode(code - 1)}`);
      begin = -1;
    }
  }
  return `[${ranges.join('')}]`;
})();

function escapeCode(code: number): string {
  const digits = code.toString(16);
  return code > 0xffff ? `\\U${digits.padStart(8, '0')}` : `\\u${digits.padStart(4, '0')}`;
}
