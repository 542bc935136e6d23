import { useSyncExternalStore } from 'react';

/** The file of a screen did not arrive. */
export class ScreenNotLoadedError extends Error {}

let arrived = 0;
const listeners = new Set<() => void>();

/** For `lazy`: names the cause, so that the reader is told what helps. */
export function loadScreen<T>(load: () => Promise<T>): () => Promise<T> {
  return async () => {
    try {
      const screen = await load();
      setTimeout(announce);
      return screen;
    } catch (cause) {
      throw new ScreenNotLoadedError('A screen could not be loaded.', { cause });
    }
  };
}

function announce(): void {
  arrived += 1;
  for (const listener of listeners) listener();
}

/**
 * Draws its component again once the file of a screen has arrived. By itself, React lets 300 ms pass between a fallback of `Suspense` and
 * what it stands for.
 */
export function useArrivedScreens(): void {
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => arrived,
  );
}
