import { toHex } from './bytes.ts';

/* The trees of RFC 6962, hashed by the browser's WebCrypto. */

/** Whether a path leads from a leaf to the root (RFC 9162, section 2.1.3.2). */
export async function isIncluded(
  leaf: Uint8Array,
  { index, size, path, root }: { index: number; size: number; path: readonly Uint8Array[]; root: Uint8Array },
): Promise<boolean> {
  if (index >= size) return false;
  let [at, last, found] = [index, size - 1, leaf];
  for (const sibling of path) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      found = await nodeHash(sibling, found);
      while (at % 2 === 0 && at !== 0) {
        at = Math.floor(at / 2);
        last = Math.floor(last / 2);
      }
    } else found = await nodeHash(found, sibling);
    at = Math.floor(at / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && toHex(found) === toHex(root);
}

/** The hash of a leaf (RFC 6962, section 2.1). */
export async function leafHash(data: Uint8Array): Promise<Uint8Array> {
  const prefixed = new Uint8Array(data.length + 1);
  prefixed.set(data, 1);
  return new Uint8Array(await crypto.subtle.digest('SHA-256', prefixed));
}

async function nodeHash(left: Uint8Array, right: Uint8Array): Promise<Uint8Array> {
  const pair = new Uint8Array(1 + left.length + right.length);
  pair[0] = 1;
  pair.set(left, 1);
  pair.set(right, 1 + left.length);
  return new Uint8Array(await crypto.subtle.digest('SHA-256', pair));
}
