import { useState } from 'react';
import { JsonMarked } from '../parts/json-marked.tsx';

/** A browser needs seconds to break a line of a megabyte. */
const shownAtFirst = 4_000;

/** A text that may be very long. What is longer than a screen is shown on request. */
export function ShortText({ text }: { text: string }) {
  const [showsAll, setShowsAll] = useState(false);
  if (showsAll || text.length <= shownAtFirst) return <JsonMarked text={text} />;
  return (
    <>
      <JsonMarked text={`${cutText(text, shownAtFirst)}…`} />{' '}
      <button type="button" className="link-button" onClick={() => setShowsAll(true)}>
        Show all {text.length.toLocaleString('en-GB')} characters
      </button>
    </>
  );
}

/** The beginning of a text. No character is cut in two. */
export function cutText(text: string, length: number): string {
  return text.slice(0, length).replace(/[\ud800-\udbff]$/, '');
}
