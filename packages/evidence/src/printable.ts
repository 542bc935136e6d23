/**
 * A text of a stranger, such as a value or the key of an object, for a terminal. Characters that would move the cursor, hide
 * other text or turn its direction are shown by their number.
 */
export function printable(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, showCharacter);
}

/** As `printable`, for a text of several lines. */
export function printableLines(text: string): string {
  return text.replace(/[^\P{C}\n\t]|[\p{Zl}\p{Zp}]/gu, showCharacter);
}

const named: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function showCharacter(character: string): string {
  const code = character.codePointAt(0) as number;
  return named[character] ?? (code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, '0')}`);
}
