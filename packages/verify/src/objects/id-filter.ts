import { hash } from 'node:crypto';

/*
 * A Bloom filter over the ids of all events, of a fixed size, shared by the workers. It can take two ids for one, so an id that
 * seems to come twice is looked for again in a second pass.
 */

const filterBytes = 64 * 1024 * 1024;
const probes = 6;

export interface IdFilter {
  /** True when the id may have been added before. */
  add(id: string): boolean;
}

export function createFilterMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(filterBytes);
}

export function createIdFilter(memory: SharedArrayBuffer): IdFilter {
  const words = new Int32Array(memory);
  const mask = words.length * 32 - 1;
  return {
    add(id) {
      const { first, second } = twoHashes(id);
      let isKnown = true;
      for (let n = 0; n < probes; n += 1) {
        const bit = (first + Math.imul(n, second)) & mask;
        const before = Atomics.or(words, bit >>> 5, 1 << (bit & 31));
        if ((before & (1 << (bit & 31))) === 0) isKnown = false;
      }
      return isKnown;
    },
  };
}

/** Ids may be chosen by callers, so they are hashed. */
function twoHashes(id: string): { first: number; second: number } {
  const digest = hash('sha256', id, 'buffer');
  return { first: digest.readInt32LE(0), second: digest.readInt32LE(4) | 1 };
}
