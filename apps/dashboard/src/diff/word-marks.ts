/** A part of a text; marked where the two texts differ. */
interface Part {
  readonly text: string;
  readonly isMarked: boolean;
}

const shortest = 20;
const mostWords = 400;
/** A longer text is shown in part, so a mark may be outside of it. */
const longest = 4_000;

/** Which words of two long strings differ; null where the whole texts should be shown as changed. */
export function markWords(before: string, after: string): { before: readonly Part[]; after: readonly Part[] } | null {
  if (!before.startsWith('"') || !after.startsWith('"') || before.length < shortest || after.length < shortest)
    return null;
  if (before.length > longest || after.length > longest) return null;
  const [old, fresh] = [split(before), split(after)];
  if (old.length > mostWords || fresh.length > mostWords) return null;
  let start = 0;
  while (start < old.length && start < fresh.length && old[start] === fresh[start]) start += 1;
  let end = 0;
  while (end < Math.min(old.length, fresh.length) - start && old.at(-1 - end) === fresh.at(-1 - end)) end += 1;
  // Nothing in common but the quotes.
  if (start + end <= 2) return null;
  const cut = (words: readonly string[]): Part[] =>
    [
      { text: words.slice(0, start).join(''), isMarked: false },
      { text: words.slice(start, words.length - end).join(''), isMarked: true },
      { text: words.slice(words.length - end).join(''), isMarked: false },
    ].filter(({ text }) => text !== '');
  return { before: cut(old), after: cut(fresh) };
}

function split(text: string): string[] {
  return text.match(/[\p{L}\p{N}_]+|\s+|[^\p{L}\p{N}_\s]/gu) ?? [];
}
