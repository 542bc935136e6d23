import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const megabytes = 160;

/** A small separate file system, for a disk that fills. */
export interface SmallDisk {
  readonly folder: string;
  /** Doubles its size, as an operator enlarges a volume. */
  enlarge(): Promise<void>;
  remove(): Promise<void>;
}

/** Mounts a file system in memory. Null when mounting is not allowed; it needs root on Linux. */
export async function mountSmallDisk(): Promise<SmallDisk | null> {
  const folder = await mkdtemp(join(tmpdir(), 'auditbox-disk-'));
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'none', folder]);
  } catch {
    await rm(folder, { recursive: true });
    return null;
  }
  await chmod(folder, 0o755);
  return {
    folder,
    async enlarge() {
      await run('mount', ['-o', `remount,size=${2 * megabytes}m`, folder]);
    },
    async remove() {
      await run('umount', [folder]);
      await rm(folder, { recursive: true });
    },
  };
}

/** Fills the disk with a file. Returns a function that deletes the file. */
export async function fillDisk(folder: string): Promise<() => Promise<void>> {
  const ballast = join(folder, 'ballast');
  const { bavail, bsize } = await statfs(folder);
  // Postgres writes at the same time, so the disk may be full before the file is complete.
  await writeFile(ballast, Buffer.alloc(bavail * bsize, 1)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOSPC') throw error;
  });
  return () => rm(ballast);
}
