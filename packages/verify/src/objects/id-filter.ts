import { hash } from 'node:crypto';

/*
 * A Bloom filter over the ids of all events, of a fixed size, shared by the workers. It can take two ids for one, so an id that
 * seems to come twice is looked for again in a second pass. That pass reads all objects once more, so it should be rare: with
 * ten million ids one of ten runs has it.
 */

const filterBytes = 40 * 1024 * 1024;
const probes = 16;

export interface IdFilter {
  /** True when the id may have been added before. */
  add(id: string): boolean;
}

export function createFilterMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(filterBytes);
}

export function createIdFilter(memory: SharedArrayBuffer): IdFilter {
  const words = new Int32Array(memory);
  const bits = words.length * 32;
  return {
    add(id) {
      const { first, second } = twoHashes(id);
      let isKnown = true;
      for (let n = 0; n < probes; n += 1) {
        const bit = ((first + Math.imul(n, second)) >>> 0) % bits;
        const before = Atomics.or(words, bit >>> 5, 1 << (bit & 31));
        if ((before & (1 << (bit & 31))) === 0) isKnown = false;
      }
      return isKnown;
    },
  };
}

/** Ids may be chosen by callers, so they are hashed. */
function twoHashes(id: string): { first: number; second: number } {
  const digest = hash('sha256', id, 'binary');
  return { first: wordAt(digest, 0), second: wordAt(digest, 4) | 1 };
}

/** Four characters of a text of bytes, as a number of 32 bits. */
function wordAt(text: string, at: number): number {
  return (
    text.charCodeAt(at) |
    (text.charCodeAt(at + 1) << 8) |
    (text.charCodeAt(at + 2) << 16) |
    (text.charCodeAt(at + 3) << 24)
  );
}
