/*
 * Texts of writers may have characters that change how a text looks and are not seen. Two objects could look the same, and a
 * text could change how its neighbours read. The page shows each of these characters by its number.
 *
 * Latin, Greek and Cyrillic texts do not need a joiner; other scripts and emoji do, so there it is a letter like others.
 */
const oddForm = new RegExp(
  [
    // Spaces at an end, several spaces, and every other kind of space.
    '^ +| +$| {2,}|(?:[\\t\\n\\r\\v\\f\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000])+',
    // Control characters, direction marks and overrides, characters without a width, blank letters, tags.
    '[\\p{Cc}\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180e\\u200b\\u200e\\u200f\\u202a-\\u202e\\u2060-\\u206f\\u2800\\u3164\\ufeff\\uffa0\\ufff9-\\ufffb\\u{e0000}-\\u{e007f}]+',
    '(?<![^\\p{Script=Latin}\\p{Script=Greek}\\p{Script=Cyrillic}\\p{ASCII}])[\\u200c\\u200d]+',
    '(?<=[\\p{Script=Latin}\\p{Script=Greek}\\p{Script=Cyrillic}])[\\ufe00-\\ufe0f\\u{e0100}-\\u{e01ef}]+',
    // No writing has that many marks on one letter. They would cover the lines above and below.
    '\\p{M}{5,}',
  ].join('|'),
  'gu',
);

/** A part of a text. `spelled` says which characters they are, if nobody can see it. Empty: too many parts are before it. */
export interface TextPart {
  readonly text: string;
  readonly spelled: string | null;
}

/** Parts of one text. Parts beyond this number are one part. */
const mostParts = 1_000;

export function splitOdd(text: string, kept: RegExp | null = null): readonly TextPart[] {
  const parts: TextPart[] = [];
  let end = 0;
  for (const { 0: odd, index } of text.matchAll(oddForm)) {
    if (kept?.test(odd)) continue;
    if (parts.length >= mostParts) break;
    if (index > end) parts.push({ text: text.slice(end, index), spelled: null });
    parts.push({ text: odd, spelled: spell(odd) });
    end = index + odd.length;
  }
  if (end < text.length || parts.length === 0)
    parts.push({ text: text.slice(end), spelled: parts.length < mostParts ? null : '' });
  return parts;
}

/** For places that show a text alone, such as the title of the window. */
export function spellOdd(text: string): string {
  return splitOdd(text)
    .map(({ text: part, spelled }) => (spelled ? `[${spelled}]` : part))
    .join('');
}

const shownCodes = 3;

function spell(odd: string): string {
  const characters = [...odd];
  const [first = ''] = characters;
  if (/^\p{M}+$/u.test(odd) && characters.length > shownCodes) return `${characters.length} marks`;
  if (/^ +$/.test(odd)) return characters.length === 1 ? 'space' : `${characters.length} spaces`;
  if (characters.length > shownCodes) return `${code(first)} and ${characters.length - 1} more`;
  return characters.map(code).join(' ');
}

function code(character: string): string {
  const point = character.codePointAt(0) ?? 0;
  return `U+${point.toString(16).toUpperCase().padStart(4, '0')}`;
}
