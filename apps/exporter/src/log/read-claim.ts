import { randomUUID } from 'node:crypto';
import { logFolder } from '@auditbox/evidence/log-files.ts';
import type { DestinationError } from '../destinations/destination.ts';
import type { LogStore } from './log-store.ts';

/** What a file of the bucket is that anybody may have written. */
export type Claim<T> =
  | { readonly kind: 'signed'; readonly value: T }
  /** It is not what its name claims. Anybody can write such a file, so nothing follows from it. */
  | { readonly kind: 'made up'; readonly reason: string }
  /** The store serves other files and not this one. Anybody who may write can make such a file too. */
  | { readonly kind: 'unreadable'; readonly reason: string }
  | { readonly kind: 'missing' }
  | DestinationError;

/** No note of the log is longer. A stranger's file may be, and need not be read to its end. */
const mostBytes = 65_536;

/**
 * Reads a signed note of the log from a bucket in which others may write. `check` returns null for a note that our key did not sign.
 *
 * - A read that failed for the moment, or that a proxy cut, is an error: the next pass reads again.
 * - An archived note is checked by the copy in its metadata, which a HEAD returns.
 * - A file that the store refuses while it serves others proves nothing: its writer may have encrypted it with another key. If the
 *   store refuses every read, that is an error.
 */
export async function readClaim<T>(
  store: LogStore,
  path: string,
  check: (note: string) => T | null,
  signal: AbortSignal,
): Promise<Claim<T>> {
  const file = await store.read(path, signal, mostBytes);
  if (file.kind === 'missing') return file;
  if (file.kind === 'error' && file.class === 'transient') return file;
  const value = file.kind === 'read' ? check(file.body.toString()) : null;
  if (value !== null) return { kind: 'signed', value };
  const head = await store.head(path, signal);
  if (head.kind === 'missing') return head;
  if (head.kind === 'error' && head.class === 'transient') return head;
  if (file.kind === 'read') {
    const length = head.kind === 'found' ? head.bytes : null;
    if (length !== null && file.body.length < Math.min(length, mostBytes))
      return { ...cutError, message: `${path}: ${file.body.length} of ${length} bytes arrived.` };
    return { kind: 'made up', reason: 'The key of the log did not sign it.' };
  }
  const copied = head.kind === 'found' && head.note !== null ? check(head.note) : null;
  if (copied !== null) return { kind: 'signed', value: copied };
  // Nobody can have prepared a name that did not exist before.
  const control = await store.read(`${logFolder}${randomUUID()}`, signal);
  return control.kind === 'error' ? control : { kind: 'unreadable', reason: file.message };
}

const readsAtOnce = 8;

/** Reads notes, some at once, in order. Ends after the first one for which `isEnough` holds. */
export async function readClaims<T>(
  paths: readonly string[],
  read: (path: string) => Promise<Claim<T>>,
  isEnough: (claim: Claim<T>) => boolean,
): Promise<Map<string, Claim<T>>> {
  const claims = new Map<string, Claim<T>>();
  for (let at = 0; at < paths.length; at += readsAtOnce) {
    const some = paths.slice(at, at + readsAtOnce);
    const answers = await Promise.all(some.map(read));
    for (const [n, claim] of answers.entries()) claims.set(some[n] ?? '', claim);
    if (answers.some(isEnough)) break;
  }
  return claims;
}

const cutError = { kind: 'error', class: 'transient', code: 'CutRead', permission: null } as const;
