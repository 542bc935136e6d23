import { useState } from 'react';

export type Theme = 'light' | 'dark';

const stored = 'auditbox-theme';
const prefersDark = matchMedia('(prefers-color-scheme: dark)');

function read(): Theme | null {
  try {
    const text = localStorage.getItem(stored);
    return text === 'light' || text === 'dark' ? text : null;
  } catch {
    return null;
  }
}

/** Before the first drawing, so that nothing flashes. */
export function applyTheme(): void {
  const theme = read();
  if (theme === null) delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

/** The theme of the system until somebody chooses. */
export function useTheme(): readonly [Theme, () => void] {
  const [chosen, setChosen] = useState(read);
  const theme = chosen ?? (prefersDark.matches ? 'dark' : 'light');
  const toggle = () => {
    const next = theme === 'dark' ? 'light' : 'dark';
    try {
      localStorage.setItem(stored, next);
    } catch {
      // Without storage the choice ends with the page.
    }
    setChosen(next);
    document.documentElement.dataset.theme = next;
  };
  return [theme, toggle];
}
