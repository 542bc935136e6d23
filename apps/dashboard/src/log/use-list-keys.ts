import { useEffect } from 'react';

interface Actions {
  step(by: 1 | -1): void;
  open(): void;
  close(): void;
  showNew(): void;
}

/** The keys of the list. Each also has a control that can be clicked. */
export function useListKeys({ step, open, close, showNew }: Actions): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.metaKey || event.ctrlKey || event.altKey || isTyping(event.target)) return;
      const press = (selector: string) => document.querySelector<HTMLElement>(selector)?.click();
      const isControl = event.target instanceof HTMLElement && event.target.closest('a, button, summary') !== null;
      if (event.key === 'j' || (event.key === 'ArrowDown' && !isControl)) step(1);
      else if (event.key === 'k' || (event.key === 'ArrowUp' && !isControl)) step(-1);
      else if (event.key === 'Enter' && !isControl) open();
      else if (event.key === 'Escape') close();
      else if (event.key === '/') document.getElementById('filter')?.focus();
      else if (event.key === 't') press('.range > button');
      else if (event.key === 'e') press('.download > button');
      else if (event.key === 'l') press('.live-pill');
      else if (event.key === 'n') showNew();
      else return;
      event.preventDefault();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [step, open, close, showNew]);
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest('input, textarea, select, [contenteditable]') !== null;
}
