import { OddMarked } from './given-text.tsx';

/** White space that JSON has between its tokens. Inside of a string it is written with a backslash. */
const jsonSpace = /^[ \t\r\n]+$/;

/** Hebrew, Arabic and other letters that are read from right to left. */
const fromRight = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/** Strings beyond this number keep to their line alone. */
const mostStrings = 1_000;

/** JSON as it was recorded. A string that is read from right to left does not move the numbers and names next to it. */
export function JsonMarked({ text }: { text: string }) {
  if (!fromRight.test(text)) return <OddMarked text={text} kept={jsonSpace} />;
  const parts: { readonly at: number; readonly text: string; readonly isString: boolean }[] = [];
  let end = 0;
  for (const { 0: string, index } of text.matchAll(/"(?:[^"\\]|\\.)*"?/gs)) {
    if (!fromRight.test(string)) continue;
    if (parts.length >= 2 * mostStrings) break;
    parts.push({ at: end, text: text.slice(end, index), isString: false });
    parts.push({ at: index, text: string, isString: true });
    end = index + string.length;
  }
  parts.push({ at: end, text: text.slice(end), isString: false });
  return parts.map(({ at, text: part, isString }) => {
    const Part = isString ? 'bdi' : 'span';
    return (
      <Part key={`${at} ${isString}`}>
        <OddMarked text={part} kept={jsonSpace} />
      </Part>
    );
  });
}
