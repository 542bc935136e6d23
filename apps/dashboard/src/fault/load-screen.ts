/** The file of a screen did not arrive. */
export class ScreenNotLoadedError extends Error {}

/** For `lazy`: names the cause, so that the reader is told what helps. */
export function loadScreen<T>(load: () => Promise<T>): () => Promise<T> {
  return () =>
    load().catch((cause: unknown) => {
      throw new ScreenNotLoadedError('A screen could not be loaded.', { cause });
    });
}
