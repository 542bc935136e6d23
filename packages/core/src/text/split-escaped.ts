/** Splits at each separator without a backslash in front of it. A backslash makes the next character an ordinary one. */
export function splitEscaped(text: string, separator: string): string[] {
  const parts: string[] = [];
  let part = '';
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character === separator) {
      parts.push(part);
      part = '';
    } else {
      if (character === '\\' && at + 1 < text.length) at += 1;
      part += text.charAt(at);
    }
  }
  return [...parts, part];
}
