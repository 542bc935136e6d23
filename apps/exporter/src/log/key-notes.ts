import { followChanges, type KeyChange, parseKeyNote } from '@auditbox/evidence/key-chain.ts';
import { keyFolder, keyNotePath, numberOfKeyNote } from '@auditbox/evidence/log-files.ts';
import type { VerifierKey } from '@auditbox/evidence/signed-note.ts';
import type { DestinationError } from '../destinations/destination.ts';
import type { LogStore } from './log-store.ts';
import { readClaim, readClaims } from './read-claim.ts';

/** The key notes of a log. */
export interface KeyNotes {
  readonly kind: 'read';
  /** Those that lead to or from one of the given keys. Only they count. */
  readonly changes: readonly KeyChange[];
  /** Names below the folder that are not key notes of this log, with the reasons. */
  readonly unknown: ReadonlyMap<string, string>;
  /** The path of the next key note. */
  readonly nextPath: string;
}

/** A log has a few key notes. Their numbers are the lowest, so a stranger's later files do not hide them. */
const mostPages = 10;
const mostNotes = 1_000;

/** Reads the key notes of the bucket. A file that none of the given keys leads to is listed as unknown, and ignored. */
export async function readKeyNotes(
  store: LogStore,
  keys: readonly VerifierKey[],
  signal: AbortSignal,
): Promise<KeyNotes | DestinationError> {
  const origin = keys[0]?.name ?? '';
  const names = await listNames(store, signal);
  if (names.kind === 'error') return names;
  const found: (KeyChange & { readonly path: string })[] = [];
  const unknown = new Map<string, string>();
  const notes = new Set(names.paths.filter((path) => numberOfKeyNote(path) !== null).slice(0, mostNotes));
  const read = (path: string) => readClaim(store, path, (note) => parseKeyNote(note, origin), signal);
  const claims = await readClaims([...notes], read, ({ kind }) => kind === 'error');
  for (const path of names.paths) if (!notes.has(path)) unknown.set(path, 'It is not a key note of this log.');
  for (const [path, claim] of claims) {
    if (claim.kind === 'error') return claim;
    if (claim.kind === 'signed') found.push({ ...claim.value, path });
    else if (claim.kind !== 'missing') unknown.set(path, claim.reason);
  }
  const changes = keys.flatMap((key) => followChanges(found, key));
  for (const { path } of found)
    if (!changes.some((change) => change.path === path)) unknown.set(path, 'No key of this log signed it.');
  return { kind: 'read', changes: [...new Set(changes)], unknown, nextPath: findFree(new Set(names.paths)) };
}

async function listNames(
  store: LogStore,
  signal: AbortSignal,
): Promise<{ readonly kind: 'listed'; readonly paths: readonly string[] } | DestinationError> {
  const paths: string[] = [];
  for (let pages = 0; pages < mostPages; pages += 1) {
    const page = await store.list(keyFolder, paths.at(-1) ?? '', signal);
    if (page.kind === 'error') return page;
    paths.push(...page.paths);
    if (page.isLast) break;
  }
  return { kind: 'listed', paths };
}

function findFree(taken: ReadonlySet<string>): string {
  let number = 1;
  while (taken.has(keyNotePath(number))) number += 1;
  return keyNotePath(number);
}
