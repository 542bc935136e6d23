import type { BucketFiles } from './bucket-files.ts';
import type { ObjectContent } from './read-content.ts';
import type { StoreError } from './s3-access.ts';
import { createLineSplitter } from './split-lines.ts';

/** `altered`: the object does not have the lines that were promised. */
export type LinesOutcome =
  | { readonly kind: 'read'; readonly content: ObjectContent }
  | { readonly kind: 'missing' }
  | { readonly kind: 'altered' }
  | StoreError;

/** An object, and the SHA-256 of its lines or the beginning of it: 12 hexadecimal digits or more. */
export interface PromisedObject {
  readonly key: string;
  readonly hash: string;
}

/**
 * Reads an object of events once and gives each line to `onLine`, without its line break; it is only valid during the call.
 * Only a whole object has a hash, so `onLine` has seen every line before the outcome says whether they are the promised ones.
 *
 * Throws what `onLine` throws, and BrokenLineError. Neither says anything about the store.
 */
export async function readArchivedLines(
  files: Pick<BucketFiles, 'readLines'>,
  { key, hash }: PromisedObject,
  onLine: (line: Buffer) => void,
  signal: AbortSignal,
): Promise<LinesOutcome> {
  const split = createLineSplitter(onLine);
  const failed = new AbortController();
  const read = await files.readLines(key, AbortSignal.any([signal, failed.signal]), (chunk) => {
    if (failed.signal.aborted) return;
    try {
      split.add(chunk);
    } catch (error) {
      failed.abort(error);
    }
  });
  failed.signal.throwIfAborted();
  if (read.kind !== 'read') return read;
  const { content } = read;
  if (!content?.sha256.startsWith(hash)) return { kind: 'altered' };
  split.end();
  return { kind: 'read', content };
}
