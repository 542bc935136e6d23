import { useSyncExternalStore } from 'react';

/** How times are shown. Stored, because it is a habit of the reader and not a part of the view. */
export type Zone = 'local' | 'utc' | 'relative';

export const localZone: string = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** The same for the api. A browser that does not know its zone counts in UTC. */
export const clockZone: string = isNamedZone(localZone) ? localZone : 'UTC';

function isNamedZone(name: string | undefined): boolean {
  return name !== undefined && !/^Etc\/Unknown$/i.test(name);
}

const stored = 'auditbox-zone';
const listeners = new Set<() => void>();
let zone: Zone = read();

function read(): Zone {
  try {
    const text = localStorage.getItem(stored);
    return text === 'utc' || text === 'relative' ? text : 'local';
  } catch {
    return 'local';
  }
}

export function setZone(next: Zone): void {
  zone = next;
  try {
    localStorage.setItem(stored, next);
  } catch {
    // Without storage the choice ends with the page.
  }
  for (const listener of listeners) listener();
}

export function useZone(): Zone {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => zone,
  );
}
