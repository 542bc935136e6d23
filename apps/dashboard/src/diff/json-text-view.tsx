import { useMemo, useState } from 'react';
import { CopyButton } from '../parts/copy-button.tsx';
import { JsonMarked } from '../parts/json-marked.tsx';

const shownAtFirst = 20_000;

/** JSON with line breaks for people. Only white space between tokens is added: every digit and every name stays as it is. */
export function JsonTextView({ text, label }: { text: string; label: string }) {
  const [showsAll, setShowsAll] = useState(false);
  const pretty = useMemo(() => indent(text), [text]);
  const isCut = !showsAll && pretty.length > shownAtFirst;
  return (
    <div className="json-text">
      <CopyButton text={text} label={`Copy ${label}`} />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it */}
      <section className="json-scroll" tabIndex={0} aria-label={label}>
        <pre>
          <JsonMarked text={isCut ? pretty.slice(0, shownAtFirst) : pretty} />
        </pre>
      </section>
      {isCut && (
        <button type="button" className="link-button" onClick={() => setShowsAll(true)}>
          Show all {pretty.length.toLocaleString('en-GB')} characters
        </button>
      )}
    </div>
  );
}

function indent(text: string): string {
  const parts: string[] = [];
  let depth = 0;
  const newLine = () => parts.push('\n', '  '.repeat(Math.min(depth, 60)));
  for (let at = 0; at < text.length; ) {
    const character = text[at] as string;
    if (character === '"') {
      const end = endOfString(text, at);
      parts.push(text.slice(at, end));
      at = end;
      continue;
    }
    at += 1;
    if (character === '{' || character === '[') {
      const close = character === '{' ? '}' : ']';
      if (text[at] === close) {
        parts.push(character, close);
        at += 1;
      } else {
        parts.push(character);
        depth += 1;
        newLine();
      }
    } else if (character === '}' || character === ']') {
      depth -= 1;
      newLine();
      parts.push(character);
    } else if (character === ',') {
      parts.push(',');
      newLine();
    } else if (character === ':') parts.push(': ');
    else parts.push(character);
  }
  return parts.join('');
}

function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '"') return at + 1;
  }
  return text.length;
}
