/**
 * Characters that change how a name looks but not what it is, or that nobody sees: control characters, direction marks and
 * overrides, characters without a width, fillers and selectors of a variant, line separators, tags. With them two different
 * actors could look the same.
 */
const oddCharacters = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\ufff9-\ufffb]/u;

/** A character that leaves ink. U+2800 is Braille's blank. */
const visibleCharacter = /[^\p{Z}\s\u2800]/u;

/** A picture and the selector that gives it colours, as keyboards send it: a heart is two characters. */
const pictures = /(\p{Extended_Pictographic})[\ufe0e\ufe0f]/gu;

/** Whether a name has none of these characters, and is not made of blanks alone. An empty name is plain. */
export function isPlainName(name: string): boolean {
  if (name === '') return true;
  const isOdd = oddCharacters.test(name) && oddCharacters.test(name.replaceAll(pictures, '$1'));
  return !isOdd && visibleCharacter.test(name);
}

export const plainNameForm = 'must not be blank, and must not contain control, bidirectional or invisible characters';
