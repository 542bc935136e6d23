import { createHash } from 'node:crypto';
import { copyFile, link, mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { ArchiveError, exitCodes } from '../archive-error.ts';
import { openRunFolder } from './run-folder.ts';

/**
 * Files made of objects, in a folder of limited size. A file is there whole or not at all, and several processes may use the
 * folder. The files that a process works with have a second name in the process's own folder, so that another process which
 * makes room does not take them away.
 */
export interface ObjectCache {
  /** The process's own folder. */
  readonly folder: string;
  /**
   * The file for this name and its path in the process's own folder. `make` writes the file if it is not there yet. Throws an
   * ArchiveError when the files of this process alone exceed the limit.
   */
  use(name: string, make: (path: string) => Promise<void>): Promise<string>;
  /** Removes the process's own folder. */
  close(): Promise<void>;
}

export async function openObjectCache(root: string, maxBytes: number): Promise<ObjectCache> {
  await mkdir(root, { recursive: true });
  const run = await openRunFolder(root);
  const folder = run.path;
  /** What this process uses. */
  const own = new Set<string>();
  let ownBytes = 0;
  /** Of all entries, as far as this process knows. */
  let total = sumBytes(await listEntries(root));

  let keeping: Promise<void> = Promise.resolve();

  async function take(entry: string): Promise<string | null> {
    const path = join(folder, entry);
    try {
      await linkOrCopy(join(root, entry), path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
    // The next process that makes room removes what was not used for longest.
    await utimes(join(root, entry), new Date(), new Date()).catch(() => {});
    if (!own.has(entry)) ownBytes += (await stat(path)).size;
    own.add(entry);
    return path;
  }

  /** Adds a file of this process to the cache. */
  async function keep(entry: string): Promise<void> {
    const path = join(folder, entry);
    const { size } = await stat(path);
    own.add(entry);
    ownBytes += size;
    total += size;
    if (ownBytes > maxBytes)
      throw new ArchiveError(
        `The objects of this range need more than ${maxBytes} bytes of cache. Give a narrower --from and --to, or a larger ARCHIVE_CACHE_MAX_BYTES.`,
        exitCodes.refused,
      );
    if (total > maxBytes) await makeRoom(size);
    // Another process may have made the same file.
    await linkOrCopy(path, join(root, entry)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }

  async function makeRoom(needed: number): Promise<void> {
    const entries = await listEntries(root);
    total = sumBytes(entries) + needed;
    for (const { name, bytes } of entries) {
      if (total <= maxBytes) return;
      if (own.has(name)) continue;
      await rm(join(root, name), { force: true });
      total -= bytes;
    }
  }

  return {
    folder,
    async use(name, make) {
      const entry = `${createHash('sha256').update(name).digest('hex')}.parquet`;
      const found = await take(entry);
      if (found !== null) return found;
      const path = join(folder, entry);
      const started = `${path}.new`;
      await make(started);
      await rename(started, path);
      // One after the other, so that each sees what the one before has added.
      keeping = keeping.then(() => keep(entry));
      await keeping;
      return path;
    },
    close: run.close,
  };
}

async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Some file systems have no second names.
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'ENOSYS') throw error;
    const part = `${to}.part-${process.pid}`;
    await copyFile(from, part);
    await rename(part, to);
  }
}

function sumBytes(entries: readonly { readonly bytes: number }[]): number {
  return entries.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** The files of the cache, the one that was not used for longest first. */
async function listEntries(root: string): Promise<{ name: string; bytes: number; usedMs: number }[]> {
  const names = (await readdir(root)).filter((name) => name.endsWith('.parquet'));
  const entries = await Promise.all(
    names.map(async (name) => {
      const found = await stat(join(root, name)).catch(() => null);
      return found === null ? [] : [{ name, bytes: found.size, usedMs: found.mtimeMs }];
    }),
  );
  return entries.flat().sort((a, b) => a.usedMs - b.usedMs);
}
