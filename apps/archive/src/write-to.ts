import { once } from 'node:events';
import type { Writable } from 'node:stream';

/** Writes a part of the result. The promise resolves when the reader takes more: what it does not take is held in memory. */
export type Write = (text: string) => Promise<void> | void;

/** Waits end when the signal is aborted. */
export function writeTo(output: Writable, signal: AbortSignal): Write {
  let waiting: Promise<void> | null = null;
  return (text) => {
    if (output.write(text)) return;
    if (waiting === null) {
      waiting = once(output, 'drain', { signal }).then(() => {
        waiting = null;
      });
      // Not every caller waits.
      waiting.catch(() => {});
    }
    return waiting;
  };
}
