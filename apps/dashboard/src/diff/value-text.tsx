import { JsonMarked } from '../parts/json-marked.tsx';
import { cutText, ShortText } from './short-text.tsx';

/** A JSON value as it was recorded, shortened for one line. */
export function ShortValue({ text }: { text: string | null }) {
  if (text === null) return <span className="value none">none</span>;
  const shown = text.length > 60 ? `${cutText(text, 57)}…` : text;
  return (
    <span className={`value ${typeOf(text)}`}>
      <JsonMarked text={shown} />
    </span>
  );
}

/** A whole JSON value, with its strings, numbers and words set apart. */
export function ValueText({ text }: { text: string }) {
  return (
    <span className={`value ${typeOf(text)}`}>
      <ShortText text={text} />
    </span>
  );
}

function typeOf(text: string): string {
  const first = text[0] ?? '';
  if (first === '"') return 'string';
  if (first === '{' || first === '[') return 'nested';
  return /[-\d]/.test(first) ? 'number' : 'literal';
}
