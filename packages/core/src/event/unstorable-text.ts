import { type Problem, printPath } from './audit-event.ts';

const letterU = 0x75;

/**
 * Whether JSON text contains a character that a Postgres text cannot hold: U+0000, or half of a surrogate pair. Text
 * decoded from UTF-8 can contain them only as escapes.
 */
export function holdsUnstorableText(text: string): boolean {
  if (!text.includes('\\u')) return false;
  let highEnd = -1;
  for (let at = text.indexOf('\\'); at !== -1; at = text.indexOf('\\', at)) {
    // An escaped backslash does not start an escape, so every escape is passed as a whole.
    if (text.charCodeAt(at + 1) !== letterU) {
      at += 2;
      continue;
    }
    const code = Number.parseInt(text.slice(at + 2, at + 6), 16);
    const isLow = code >= 0xdc00 && code <= 0xdfff;
    const completes = isLow && at === highEnd;
    if (highEnd !== -1 && !completes) return true;
    if (code === 0 || (isLow && !completes)) return true;
    highEnd = code >= 0xd800 && code <= 0xdbff ? at + 6 : -1;
    at += 6;
  }
  return highEnd !== -1;
}

/** Where a value is: its name in its parent, and the parent. Printed only for a problem. */
interface Place {
  readonly parent: Place | null;
  readonly name: PropertyKey;
}

/**
 * Finds up to `most` places of such text in a parsed value. Cannot see the earlier values of a repeated name. Values that
 * nest deeper than the stack allows must have been rejected before.
 */
export function findUnstorableText(value: unknown, path: readonly PropertyKey[], most: number): Problem[] {
  const problems: Problem[] = [];
  const top = path.reduce<Place | null>((parent, name) => ({ parent, name }), null);

  function search(here: unknown, place: Place | null): void {
    if (problems.length >= most) return;
    if (typeof here === 'string') {
      if (isUnstorable(here)) problems.push(unstorableProblem(listNames(place)));
    } else if (Array.isArray(here)) {
      for (let at = 0; at < here.length && problems.length < most; at += 1)
        search(here[at], { parent: place, name: at });
    } else if (typeof here === 'object' && here !== null) {
      for (const [name, member] of Object.entries(here)) {
        if (problems.length >= most) return;
        const memberPlace = { parent: place, name };
        if (isUnstorable(name)) problems.push(unstorableProblem(listNames(memberPlace)));
        search(member, memberPlace);
      }
    }
  }

  search(value, top);
  return problems;
}

function listNames(place: Place | null): PropertyKey[] {
  const names: PropertyKey[] = [];
  for (let at = place; at !== null; at = at.parent)
    names.push(typeof at.name === 'string' ? at.name.toWellFormed().replaceAll('\0', '\\u0000') : at.name);
  return names.reverse();
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
