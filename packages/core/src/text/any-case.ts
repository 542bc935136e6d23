/**
 * A regular expression that matches this text alone, in upper or lower case. It means the same to JavaScript with the flag `u` and to
 * Postgres, whatever locale a database has. A letter matches only single letters: `ß` matches `ẞ`, and not `SS`.
 */
export function anyCase(text: string): string {
  return `^${Array.from(text, (character) => `[${formsOf(character).map(quote).join('')}]`).join('')}$`;
}

function formsOf(character: string): string[] {
  const forms = new Set([character]);
  // A set goes on with what is added to it.
  for (const form of forms) for (const other of [...otherCases(form), ...(rareForms.get(form) ?? [])]) forms.add(other);
  return [...forms];
}

function otherCases(character: string): string[] {
  return [character.toLowerCase(), character.toUpperCase()].filter((form) => [...form].length === 1);
}

function quote(form: string): string {
  return /[\^\\\]]/.test(form) ? `\\${form}` : form;
}

/** Letters that are not the upper or lower case of any other, such as the `ς` at the end of Greek words: the upper case of both is `Σ`. */
const rare = [
  ...'\u00b5\u0131\u017f\u01c5\u01c8\u01cb\u01f2\u0345\u03c2\u03d0\u03d1\u03d5\u03d6\u03f0\u03f1\u03f4\u03f5',
  ...'\u1c80\u1c81\u1c82\u1c83\u1c84\u1c85\u1c86\u1c87\u1c88\u1e9b\u1e9e\u1fbc\u1fbe\u1fcc\u1ffc\u2126\u212a\u212b',
  ...'\u1f88\u1f89\u1f8a\u1f8b\u1f8c\u1f8d\u1f8e\u1f8f\u1f98\u1f99\u1f9a\u1f9b\u1f9c\u1f9d\u1f9e\u1f9f',
  ...'\u1fa8\u1fa9\u1faa\u1fab\u1fac\u1fad\u1fae\u1faf',
];

const rareForms = new Map<string, string[]>();
for (const letter of rare)
  for (const form of otherCases(letter)) rareForms.set(form, [...(rareForms.get(form) ?? []), letter]);
