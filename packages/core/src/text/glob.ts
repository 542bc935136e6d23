/**
 * Whether a text matches a pattern in which `*` stands for any characters. Each part between two stars is searched once, from
 * where the part before it ended, so the time grows with the length of the text and not with that of the pattern times it.
 */
export function matchesGlob(pattern: string, text: string): boolean {
  const parts = pattern.split('*');
  const first = parts[0] as string;
  const last = parts.at(-1) as string;
  if (parts.length === 1) return pattern === text;
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
  const end = text.length - last.length;
  let place = first.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, place);
    if (found === -1) return false;
    place = found + part.length;
    if (place > end) return false;
  }
  return true;
}
