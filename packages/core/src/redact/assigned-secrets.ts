import { type FoundSecret, findEnd, maxSecrets, testAt } from './found-secret.ts';

/*
 * Secrets that a text assigns to a name, as queries, connection strings and texts that are almost JSON do. The patterns take
 * linear time, as those of secret-values.ts.
 */

/** The names to which texts assign secrets, as a pattern. */
export const secretNames =
  'pass(?:word|wd|phrase|code)|pwd|secrets?|(?:api|access|private|secret|signing|encryption|master|hmac|ssh)[_-]?keys?' +
  '|token|jwt|authorization|signature|credentials?|cookies?|conn(?:ection)?[_-]?str(?:ing)?';
/** The letters with which these names end. */
const lastLetters = 'destnylgr';

const blank = '\\s{0,8}';
/** What needs no replacement: it was replaced before, or it is a hash, a mask or a reference. */
const notKept = '(?!\\[redacted:|[0-9a-f]{64}(?![0-9a-f])|\\*{3}|os\\.environ/)';
const bare = '[^\\s&;,"\'<>\\\\]';

/** How far the secret goes: to the quote that ends it, or as long as there are characters of a word. */
export const assignedRests: Readonly<Record<string, RegExp>> = {
  '"': /(?:[^"\\]|\\[\s\S])*/y,
  "'": /(?:[^'\\]|\\[\s\S])*/y,
};
export const bareRest = /[^\s&;,"'<>\\]*/y;

/** How a text assigns a secret to a name. */
export interface AssignedRules {
  /** Whether a text may hold an assignment. */
  mayHold(text: string): boolean;
  /** Whether a secret is assigned by the sign, `=`, `:` or `'`, that stands here. */
  isAssignedAt(text: string, at: number): boolean;
  /** Adds the secrets of a text that are assigned. */
  find(text: string, found: FoundSecret[]): void;
  /** Whether a secret name ends before this place; it may be the end of a longer name. */
  endsNameBefore(text: string, at: number): boolean;
  /** The characters with which secret names end. */
  readonly lastCharacters: string;
  /** Ends where an assigned secret begins. Case does not count. */
  readonly pattern: string;
}

/** `added` are further names, in lower case. They are whole names: the letters before them are not of a longer one. */
export function createAssignedRules(added: readonly string[]): AssignedRules {
  // Separators do not count, as in names of members.
  const own = added.map((name) => [...name.replaceAll(/[_-]/g, '')].join('[_-]?')).join('|');
  const secretName = `(?:${secretNames}${own === '' ? '' : `|(?<![a-z0-9_-])(?:${own})`})`;
  const lastCharacters = [
    ...new Set([...lastLetters, ...added.map((name) => name.replaceAll(/[_-]/g, '').slice(-1))]),
  ].join('');
  // Behind a letter, a quote or a blank: all other signs are decided by two characters.
  const before = /^[a-z]*$/.test(lastCharacters) ? 'a-z' : 'a-z0-9';
  const signs = (characters: string) => `[${characters}](?<=[${before}"'\\s][${characters}])`;

  /** Each begins at its sign, which is rarer than the letters of names, and ends where the secret begins. */
  const assignments = [
    // `"password": "…"` in cut JSON, `'password': '…'` as Python prints it. Under such a name JSON loses a value of any length.
    `["'](?<=${secretName}["'])${blank}[:=]${blank}["']${notKept}(?=[^"'\\s])`,
    // `password: '…'`, `password="…"`.
    `${signs(':=')}(?<=${secretName}${blank}[:=])${blank}["']${notKept}(?=[^"'\\s]{4})`,
    // `password=…` in a query, a form or a connection string.
    `${signs('=')}(?<=${secretName}["']?${blank}=)${notKept}(?=${bare}{6})`,
    // `password: …` and `password = …`. A sentence such as `token: expired` is not one: a small word in letters stays.
    `${signs(':=')}(?<=${secretName}["']?${blank}[:=])\\s{1,8}${notKept}(?=${bare}{6})(?=${bare}[a-z]*[^a-z\\s&;,"'<>\\\\.:!?)])`,
  ];
  const assigned = new RegExp(assignments.join('|'), 'gi');
  const any = new RegExp(assigned.source, 'i');
  const here = new RegExp(assigned.source, 'iy');
  // Behind an escape a letter stands before the name that is not of it, so the beginning of a name does not count here.
  const nameBefore = new RegExp(`(?<=${secretNames}${own === '' ? '' : `|${own}`})`, 'iy');
  // Characters are looked for first, which takes a tenth of the time. Escaped quotes are not looked for here.
  const bareColon = new RegExp(`[${before}]${blank}:[\\s'"]`, 'i');
  const mayAssign = (text: string) => text.includes('=') || text.includes("'") || bareColon.test(text);

  return {
    mayHold: (text) => mayAssign(text) && any.test(text),
    isAssignedAt: (text, at) => testAt(here, text, at),
    find(text, found) {
      if (!(mayAssign(text) || text.includes('"')) || !any.test(text)) return;
      assigned.lastIndex = 0;
      while (assigned.exec(text) !== null) {
        const start = assigned.lastIndex;
        const isLast = found.length >= 2 * maxSecrets;
        const rest = assignedRests[text.charAt(start - 1)] ?? bareRest;
        const end = isLast ? text.length : findEnd(text, rest, start);
        found.push({ kind: 'assignment', start, end });
        if (isLast) return;
        assigned.lastIndex = end;
      }
    },
    endsNameBefore: (text, at) => testAt(nameBefore, text, at),
    lastCharacters,
    pattern: assigned.source,
  };
}
