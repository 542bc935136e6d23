/**
 * A regular expression that matches this text alone, in upper or lower case. It means the same to JavaScript with the flag `u` and to
 * Postgres, whatever locale a database has. Of a letter that has several letters in the other case, such as `ß`, only this one
 * matches.
 */
export function anyCase(text: string): string {
  return `^${Array.from(text, formsOf).join('')}$`;
}

function formsOf(character: string): string {
  const upper = character.toUpperCase();
  const forms = [character, character.toLowerCase(), upper, upper.toLowerCase()].filter(
    (form) => [...form].length === 1,
  );
  return `[${[...new Set(forms)].map((form) => (/[\^\\\]]/.test(form) ? `\\${form}` : form)).join('')}]`;
}
