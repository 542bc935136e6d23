import { randomFillSync } from 'node:crypto';

/*
 * A Bloom filter over the ids of all events, of a fixed size, shared by the workers. It can take two ids for one, so an id that
 * seems to come twice is looked for again in a second pass. That pass reads all objects once more, so it should be rare: with
 * ten million ids one of ten runs has it.
 *
 * An id is hashed by simple tabulation: a random word for each place and digit, joined by xor (Pătraşcu and Thorup, "The Power of
 * Simple Tabulation Hashing", 2012). Callers may choose ids, and nobody can choose them for words that each run draws anew.
 */

const filterBytes = 40 * 1024 * 1024;
const probes = 16;

/** Of an id in text form. */
const idLength = 36;
/** The low five bits differ for all hexadecimal digits in lower case, and the hyphen. */
const lowBits = 31;
const wordsOfTable = idLength * (lowBits + 1);
const tableBytes = wordsOfTable * Int32Array.BYTES_PER_ELEMENT;

export interface IdFilter {
  /** True when the id may have been added before. The id has its text form, in lower case. */
  add(id: string): boolean;
}

export function createFilterMemory(): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(2 * tableBytes + filterBytes);
  randomFillSync(new Int32Array(memory, 0, 2 * wordsOfTable));
  return memory;
}

export function createIdFilter(memory: SharedArrayBuffer): IdFilter {
  const firstTable = new Int32Array(memory, 0, wordsOfTable);
  const secondTable = new Int32Array(memory, tableBytes, wordsOfTable);
  const words = new Int32Array(memory, 2 * tableBytes);
  const bits = words.length * 32;
  return {
    add(id) {
      let [first, second] = [0, 0];
      for (let place = 0; place < idLength; place += 1) {
        const at = place * (lowBits + 1) + (id.charCodeAt(place) & lowBits);
        first ^= firstTable[at] as number;
        second ^= secondTable[at] as number;
      }
      // Odd, so that the probes differ.
      second |= 1;
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
