import { hash } from 'node:crypto';
import type { BatchEntry } from '../../../evidence/src/batch-entry.ts';
import type { ArchivedFile } from '../archive/archive.ts';
import { broken, type Finding, partly } from '../finding.ts';

/** The objects that the log names, in little memory: 16 bytes for a key. */
export interface ObjectIndex {
  add(entry: BatchEntry): Finding | null;
  /**
   * Compares a file that lies in the archive. `index` is of the entry that names it. `isWhole`: every entry of the log was read, so a file
   * that none of them names is not in the log.
   */
  meet(
    file: ArchivedFile,
    log: { readonly newestLogged: number; readonly isWhole: boolean },
  ): { readonly finding: Finding; readonly index: number | null } | null;
  /** The indexes of entries whose object was not met. */
  missing(): number[];
  /** How many entries were added. */
  readonly entries: number;
  readonly objects: number;
  readonly rows: number;
}

/** Our names: an object that another writer put there rarely has one. */
const keyForm = /(^|\/)dt=\d{4}-\d{2}-\d{2}\/(hour=\d{2}\/)?\d{6}_\d{12,19}_[0-9a-f]{12}\.ndjson\.(gz|zst)$/;

/**
 * An object may be logged this long after it was created: its exporter may have died before it marked the batch, and another
 * one takes it over when the lease is over. Newer batches are logged in between.
 */
const logDelayMs = 3_600_000;

/** Whether a file was stored so late that a later checkpoint may name it. */
export function mayBeLogged(modifiedAt: number, newestLogged: number): boolean {
  return modifiedAt >= newestLogged - logDelayMs;
}

export function createObjectIndex(): ObjectIndex {
  const indexes = new Map<string, number>();
  const lengths: number[] = [];
  const met: boolean[] = [];
  let [rows, entries] = [0, 0];
  return {
    add({ key, index, objectBytes, rows: count }) {
      const id = idOf(key);
      const before = indexes.get(id);
      indexes.set(id, index);
      lengths[index] = objectBytes;
      met[index] = false;
      rows += count;
      entries += 1;
      return before === undefined
        ? null
        : broken('key-twice', key, `The entries ${before} and ${index} name the same object.`);
    },
    meet({ path, bytes, modifiedAt }, { newestLogged, isWhole }) {
      const index = indexes.get(idOf(path));
      if (index === undefined) {
        // Offline nobody can know whether it will be logged. It is named at each run until it is.
        if (!isWhole && keyForm.test(path))
          return { finding: partly('object-unlogged', path, 'An entry that cannot be read may name it.'), index: null };
        const isYoung = mayBeLogged(modifiedAt, newestLogged) && keyForm.test(path);
        const finding = isYoung
          ? partly(
              'object-unlogged',
              path,
              'No entry of the log names it yet. It is not an hour older than the newest entry, so it may still be logged.',
            )
          : broken('object-not-in-log', path, 'No entry of the log names it.');
        return { finding, index: null };
      }
      met[index] = true;
      const expected = lengths[index];
      if (bytes === expected) return null;
      return { finding: broken('object-changed', path, `It has ${bytes} bytes; the log says ${expected}.`), index };
    },
    missing: () => met.flatMap((isMet, index) => (isMet ? [] : [index])),
    get objects() {
      return indexes.size;
    },
    get entries() {
      return entries;
    },
    get rows() {
      return rows;
    },
  };
}

function idOf(key: string): string {
  return hash('sha256', key, 'buffer').toString('latin1', 0, 16);
}
