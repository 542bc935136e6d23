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

/** Null: not what `GET /me` answers. */
export function readCaller(value: unknown): Caller | null {
  const { id, name, scopes, tenant } = (value ?? {}) as Readonly<Record<string, unknown>>;
  const isCaller =
    typeof id === 'string' &&
    typeof name === 'string' &&
    Array.isArray(scopes) &&
    scopes.every((scope) => typeof scope === 'string') &&
    (tenant === null || typeof tenant === 'string');
  return isCaller ? { id, name, scopes, tenant } : null;
}

const stored = 'auditbox-session';
const listeners = new Set<() => void>();
let session: Session | null = read();
let wasRefused = false;

// A page that the back button brings back may be older than a sign-out, or a sign-in with another key.
addEventListener('pageshow', ({ persisted }) => {
  const now = read();
  if (persisted && now?.key !== session?.key) change(now, false);
});

function read(): Session | null {
  try {
    const { key, caller } = JSON.parse(sessionStorage.getItem(stored) ?? '{}') as Readonly<Record<string, unknown>>;
    const known = readCaller(caller);
    return typeof key === 'string' && known !== null ? { key, caller: known } : null;
  } catch {
    return null;
  }
}

export function currentSession(): Session | null {
  return session;
}

/** Null signs out. */
export function setSession(next: Session | null): void {
  store(next);
  change(next, false);
}

/** The api refused this key: it has expired or was revoked. An answer to an older key ends nothing. */
export function endSession(key: string): void {
  if (session?.key !== key) return;
  store(null);
  change(null, true);
}

/** Whether the api ended the last session, and not the reader. */
export function wasSessionRefused(): boolean {
  return wasRefused;
}

/** For what is kept between screens: no other key may see it. */
export function onSessionChange(listener: () => void): void {
  listeners.add(listener);
}

function change(next: Session | null, isRefused: boolean): void {
  session = next;
  wasRefused = isRefused;
  for (const listener of listeners) listener();
}

function store(next: Session | null): void {
  try {
    if (next === null) sessionStorage.removeItem(stored);
    else sessionStorage.setItem(stored, JSON.stringify(next));
  } catch {
    // A browser without storage: the session ends with the page.
  }
}

export function useSession(): Session | null {
  return useSyncExternalStore(subscribe, currentSession);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
