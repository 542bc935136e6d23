import { useEffect, useRef, useState } from 'react';

const keys: readonly (readonly [string, string])[] = [
  ['/', 'Search or filter'],
  ['j  k', 'Next and previous event'],
  ['Enter', 'Open the event'],
  ['Esc', 'Close'],
  ['t', 'Time range'],
  ['l', 'Live on or off'],
  ['n', 'Show new events'],
  ['e', 'Download'],
  ['?', 'This list'],
];

/** Opens on `?`. */
export function KeyHelp() {
  const [isOpen, setOpen] = useState(false);
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const isTyping = event.target instanceof HTMLElement && event.target.closest('input, textarea, select') !== null;
      if (event.key === '?' && !isTyping) setOpen(true);
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, []);
  useEffect(() => {
    if (isOpen) dialog.current?.showModal();
  }, [isOpen]);
  if (!isOpen) return null;
  return (
    <dialog ref={dialog} className="dialog" aria-labelledby="help-title" onClose={() => setOpen(false)}>
      <h2 id="help-title">Keys</h2>
      <dl className="key-list">
        {keys.map(([key, meaning]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
      <form method="dialog">
        <button type="submit" className="button">
          Close
        </button>
      </form>
    </dialog>
  );
}
