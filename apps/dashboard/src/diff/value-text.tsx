import type { ReactNode } from 'react';

/** A JSON value as it was recorded, shortened for one line. */
export function ShortValue({ text }: { text: string | null }) {
  if (text === null) return <span className="value none">none</span>;
  const shown = text.length > 60 ? `${text.slice(0, 57)}…` : text;
  return <span className={`value ${typeOf(text)}`}>{shown}</span>;
}

/** A whole JSON value, with its strings, numbers and words set apart. */
export function ValueText({ text, children }: { text: string; children?: ReactNode }) {
  return (
    <span className={`value ${typeOf(text)}`}>
      {text}
      {children}
    </span>
  );
}

function typeOf(text: string): string {
  const first = text[0] ?? '';
  if (first === '"') return 'string';
  if (first === '{' || first === '[') return 'nested';
  return /[-\d]/.test(first) ? 'number' : 'literal';
}
