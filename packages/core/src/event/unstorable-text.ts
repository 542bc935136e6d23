import { type Problem, printPath } from './audit-event.ts';

/** Any escape. The match includes the character after the backslash, so an escaped backslash does not start an escape. */
const escapes = /\\(?:u([0-9a-fA-F]{4})|[^u])/g;

/**
 * Whether JSON text contains a character that a Postgres text cannot hold: U+0000, or half of a surrogate pair. Text
 * decoded from UTF-8 can contain them only as escapes.
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

/** Finds up to `most` places of such text in a parsed value. Cannot see the earlier values of a repeated name. */
export function findUnstorableText(value: unknown, path: readonly PropertyKey[], most: number): Problem[] {
  if (typeof value === 'string') return isUnstorable(value) ? [unstorableProblem(path)] : [];
  if (typeof value !== 'object' || value === null) return [];
  const problems: Problem[] = [];
  for (const [name, member] of Array.isArray(value) ? value.entries() : Object.entries(value)) {
    const memberPath = [...path, typeof name === 'string' ? name.toWellFormed().replaceAll('\0', '\\u0000') : name];
    if (typeof name === 'string' && isUnstorable(name)) problems.push(unstorableProblem(memberPath));
    problems.push(...findUnstorableText(member, memberPath, most - problems.length));
    if (problems.length >= most) break;
  }
  return problems.slice(0, most);
}

/** The problem to report for one such place. */
export function unstorableProblem(path: readonly PropertyKey[]): Problem {
  return {
    path: printPath(path),
    message: 'contains U+0000 or half of a surrogate pair, which cannot be stored',
  };
}

function isUnstorable(text: string): boolean {
  return text.includes('\0') || !text.isWellFormed();
}
