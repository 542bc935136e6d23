import { type FoundSecret, findEnd, maxSecrets } from './found-secret.ts';

/*
 * Secrets that a text assigns to a name, as queries, connection strings and texts that are almost JSON do. The patterns take
 * linear time, as those of secret-values.ts.
 */

const secretName =
  '(?:pass(?:word|wd|phrase|code)|pwd|secrets?|(?:api|access|private|secret|signing|encryption|master|hmac|ssh)[_-]?keys?' +
  '|token|jwt|authorization|signature|credentials?|cookies?|conn(?:ection)?[_-]?str(?:ing)?)';
/** The letters with which these names end. */
export const lastLettersOfNames = 'destnylgr';
/** Whether such a name stands at the end of a text. */
export const endsWithSecretName = new RegExp(`${secretName}$`, 'i');
const blank = '\\s{0,8}';
/** A sign behind a letter, a quote or a blank: all others are decided by two characters. */
const signs = (characters: string) => `[${characters}](?<=[a-z"'\\s][${characters}])`;
/** What needs no replacement: it was replaced before, or it is a hash, a mask or a reference. */
const notKept = '(?!\\[redacted:|[0-9a-f]{64}(?![0-9a-f])|\\*{3}|os\\.environ/)';
const bare = '[^\\s&;,"\'<>\\\\]';

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
/** The same pattern, for a test of a whole text and of one place. */
export const anyAssigned = new RegExp(assigned.source, 'i');
export const assignedHere = new RegExp(assigned.source, 'iy');
/** How far the secret goes: to the quote that ends it, or as long as there are characters of a word. */
const assignedRests: Readonly<Record<string, RegExp>> = {
  '"': /(?:[^"\\]|\\[\s\S])*/y,
  "'": /(?:[^'\\]|\\[\s\S])*/y,
};
const bareRest = /[^\s&;,"'<>\\]*/y;

/** Adds the secrets of a text that are assigned. */
export function findAssigned(text: string, found: FoundSecret[]): void {
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
}

/** Looks for characters first, which takes a tenth of the time. Escaped quotes are not looked for here. */
export function mayAssign(text: string): boolean {
  return text.includes('=') || text.includes("'") || bareColon.test(text);
}

const bareColon = /[a-z] {0,8}:[\s'"]/i;
