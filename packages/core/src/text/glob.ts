/**
 * Whether a text matches a pattern in which `*` stands for any characters. It goes back only to the last star, so that no
 * pattern takes longer than its length times that of the text.
 */
export function matchesGlob(pattern: string, text: string): boolean {
  let at = 0;
  let star = -1;
  let resumeAt = 0;
  let place = 0;
  while (place < text.length) {
    if (pattern[at] === '*') {
      star = at;
      resumeAt = place;
      at += 1;
    } else if (pattern[at] === text[place]) {
      at += 1;
      place += 1;
    } else if (star !== -1) {
      resumeAt += 1;
      place = resumeAt;
      at = star + 1;
    } else {
      return false;
    }
  }
  while (pattern[at] === '*') at += 1;
  return at === pattern.length;
}
