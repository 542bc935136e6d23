/**
 * Characters that change how a name looks but not what it is: control characters, direction marks and overrides, characters
 * without a width, line separators, tags. With them two different actors could look the same.
 */
const oddCharacters =
  /[\p{Cc}\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/u;

/** Whether a name has none of these characters. */
export function isPlainName(name: string): boolean {
  return !oddCharacters.test(name);
}

export const plainNameForm = 'must not contain control, bidirectional or zero-width characters';
