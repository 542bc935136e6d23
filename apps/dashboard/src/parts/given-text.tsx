import { splitOdd } from '../text/odd-characters.ts';

/**
 * A text of a writer: a name, an id, a word of a value. Its direction of reading ends with it. Characters that cannot be seen
 * are shown by their numbers; the text that is copied stays as it was written.
 */
export function GivenText({ text }: { text: string }) {
  return (
    <bdi>
      <OddMarked text={text} />
    </bdi>
  );
}

/** Without a direction, for texts that have one. Odd characters of the form `kept` are shown as they are. */
export function OddMarked({ text, kept = null }: { text: string; kept?: RegExp | null }) {
  let at = 0;
  return splitOdd(text, kept).map((part) => {
    at += part.text.length;
    if (part.spelled === null) return part.text;
    if (part.spelled === '')
      return (
        <span key={at} className="unmarked">
          {part.text}
        </span>
      );
    return (
      <span key={at} className="odd" title={part.spelled} data-spelled={part.spelled}>
        <span>{part.text}</span>
      </span>
    );
  });
}
