import { writePathPart } from '@auditbox/core/text/path-part.ts';
import { type MouseEvent, useSyncExternalStore } from 'react';
import { pathBelow } from './path-below.ts';
import { root } from './prefix.ts';

/*
 * The address is the state: what a colleague must see stands in it. A screen writes the address and reads it back; it never
 * keeps a second copy that must be kept equal.
 */

export interface Place {
  /** Below `/ui`, such as `/events/0198…`. */
  readonly path: string;
  readonly search: URLSearchParams;
}

const listeners = new Set<() => void>();
let place = read();

function read(): Place {
  return { path: pathBelow(location.pathname, root), search: new URLSearchParams(location.search) };
}

function changed(): void {
  place = read();
  for (const listener of listeners) listener();
}

addEventListener('popstate', changed);

export function usePlace(): Place {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => place,
  );
}

/** `how` replace: the back button skips the address before. */
export function go(to: string, how: 'push' | 'replace' = 'push'): void {
  const address = `${root}${to}`;
  if (address === `${location.pathname}${location.search}`) return;
  if (how === 'push') history.pushState(null, '', address);
  else history.replaceState(null, '', address);
  changed();
}

/** Changes some parameters of this screen's address. Null removes one. */
export function goWith(changes: Readonly<Record<string, string | null>>, how: 'push' | 'replace' = 'push'): void {
  const search = new URLSearchParams(place.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) search.delete(name);
    else search.set(name, value);
  }
  go(withSearch(place.path, search), how);
}

export function withSearch(path: string, search: URLSearchParams): string {
  const text = search.toString();
  return text === '' ? path : `${path}?${text}`;
}

/** For links: a plain click stays in this page, every other click is the browser's. */
export function follow(to: string): { href: string; onClick: (event: MouseEvent<HTMLElement>) => void } {
  return {
    href: `${root}${to}`,
    onClick(event) {
      if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
      event.preventDefault();
      go(to);
    },
  };
}

export function eventPath(id: string): string {
  return `/events/${writePathPart(id)}`;
}

export function objectPath(table: string, id: string): string {
  return `/objects/${writePathPart(table)}/${writePathPart(id)}`;
}

export function actorPath(name: string): string {
  return `/actors/${writePathPart(name)}`;
}
