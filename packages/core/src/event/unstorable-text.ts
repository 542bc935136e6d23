import { type Problem, printPath } from './audit-event.ts';

/** Any escape; what follows a backslash is taken with it, so that an escaped backslash starts nothing. */
const escapes = /\\(?:u([0-9a-fA-F]{4})|[^u])/g;

/**
 * Whether JSON text holds, anywhere, what no Postgres text can: U+0000, or half of a surrogate pair. Text that was
 * decoded from UTF-8 can only hold them as escapes.
 */
export function holdsUnstorableText(text: string): boolean {
  if (!text.includes('\\u')) return false;
  let highEnd = -1;
  for (const { 1: hex, index } of text.matchAll(escapes)) {
    const code = hex === undefined ? -1 : Number.parseInt(hex, 16);
    const isLow = code >= 0xdc00 && code <= 0xdfff;
    const completes = isLow && index === highEnd;
    if (highEnd !== -1 && !completes) return true;
    if (code === 0 || (isLow && !completes)) return true;
    highEnd = code >= 0xd800 && code <= 0xdbff ? index + 6 : -1;
  }
  return highEnd !== -1;
}

/** Where in a parsed value such text is, up to `most` places. A repeated name hides its earlier values from this. */
export function findUnstorableText(value: unknown, path: readonly PropertyKey[], most: number): Problem[] {
  if (typeof value === 'string') return isUnstorable(value) ? [problemAt(path)] : [];
  if (typeof value !== 'object' || value === null) return [];
  const problems: Problem[] = [];
  for (const [name, member] of Array.isArray(value) ? value.entries() : Object.entries(value)) {
    const memberPath = [...path, typeof name === 'string' ? name.toWellFormed().replaceAll('\0', '\\u0000') : name];
    if (typeof name === 'string' && isUnstorable(name)) problems.push(problemAt(memberPath));
    problems.push(...findUnstorableText(member, memberPath, most - problems.length));
    if (problems.length >= most) break;
  }
  return problems.slice(0, most);
}

/** What is wrong at such a place. */
export function problemAt(path: readonly PropertyKey[]): Problem {
  return {
    path: printPath(path),
    message: 'contains U+0000 or half of a surrogate pair, which cannot be stored',
  };
}

function isUnstorable(text: string): boolean {
  return text.includes('\0') || !text.isWellFormed();
}
