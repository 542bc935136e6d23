import type { Problem } from './audit-event.ts';
import { printPath } from './audit-event.ts';

/** Cheap first look: only these escapes can put a bad character into text that was decoded from valid UTF-8. */
const suspicious = /\\u(?:0000|[dD][89a-fA-F])/;

/**
 * The places in a parsed JSON value that no Postgres text can hold: U+0000, and surrogates without their other half.
 * `text` is the JSON that `value` was parsed from; most texts need no walk.
 */
export function unstorableText(value: unknown, text: string): Problem[] {
  const problems: Problem[] = [];
  if (suspicious.test(text)) walk(value, [], problems);
  return problems;
}

function walk(value: unknown, path: readonly PropertyKey[], problems: Problem[]): void {
  if (typeof value === 'string') {
    report(value, path, 'the text', problems);
  } else if (Array.isArray(value)) {
    for (const [index, element] of value.entries()) walk(element, [...path, index], problems);
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, member] of Object.entries(value)) {
      const memberPath = [...path, name.toWellFormed().replaceAll('\0', '\\u0000')];
      report(name, memberPath, 'the name', problems);
      walk(member, memberPath, problems);
    }
  }
}

function report(text: string, path: readonly PropertyKey[], what: string, problems: Problem[]): void {
  if (text.includes('\0')) {
    problems.push({ path: printPath(path), message: `${what} contains U+0000, which cannot be stored` });
  }
  if (!text.isWellFormed()) {
    problems.push({
      path: printPath(path),
      message: `${what} contains half of a surrogate pair, which is no character`,
    });
  }
}
