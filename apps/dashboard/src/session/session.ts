import { useSyncExternalStore } from 'react';

/*
 * The key of the person who looks at the page. It lives in this tab alone (sessionStorage), is sent in a header and never
 * stands in an address. A reload keeps it; closing the tab forgets it.
 */

/** What `GET /me` answers. */
export interface Caller {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly tenant: string | null;
}

export interface Session {
  readonly key: string;
  readonly caller: Caller;
}

const stored = 'auditbox-session';
const listeners = new Set<() => void>();
let session: Session | null = read();

function read(): Session | null {
  try {
    return JSON.parse(sessionStorage.getItem(stored) ?? 'null') as Session | null;
  } catch {
    return null;
  }
}

export function currentSession(): Session | null {
  return session;
}

/** Null signs out. */
export function setSession(next: Session | null): void {
  session = next;
  try {
    if (next === null) sessionStorage.removeItem(stored);
    else sessionStorage.setItem(stored, JSON.stringify(next));
  } catch {
    // A browser without storage: the session ends with the page.
  }
  for (const listener of listeners) listener();
}

export function useSession(): Session | null {
  return useSyncExternalStore(subscribe, currentSession);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
