import { createHash } from 'node:crypto';
import { readlinkSync } from 'node:fs';
import { mkdtemp, readdir, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { isAlive } from '@auditbox/process/is-alive.ts';

/** The folder of one process in the cache. */
export interface RunFolder {
  readonly path: string;
  /** Removes it. */
  close(): Promise<void>;
}

const touchEveryMs = 3_600_000;
/** A folder of another host or container, or of an earlier process with our id, is in use if it was touched since. */
const inUseMs = 24 * touchEveryMs;

/** Makes a folder for this process, and removes those of processes that were killed. */
export async function openRunFolder(root: string): Promise<RunFolder> {
  await removeLeftFolders(root);
  const path = await mkdtemp(join(root, `run-${thisHost()}-${process.pid}-`));
  const touch = () => void utimes(path, new Date(), new Date()).catch(() => {});
  const timer = setInterval(touch, touchEveryMs).unref();
  return {
    path,
    async close() {
      clearInterval(timer);
      await rm(path, { recursive: true, force: true });
    },
  };
}

/** Where a process id means the same process. Containers may share a cache, and even the name of their host. */
export function thisHost(): string {
  let processes = '';
  try {
    processes = readlinkSync('/proc/self/ns/pid');
  } catch {
    // Only Linux has it.
  }
  return createHash('sha256').update(`${hostname()} ${processes}`).digest('hex').slice(0, 12);
}

async function removeLeftFolders(root: string): Promise<void> {
  const here = thisHost();
  for (const name of await readdir(root)) {
    if (!name.startsWith('run-')) continue;
    const [, host, pid] = /^run-([\da-f]{12})-(\d+)-/.exec(name) ?? [];
    // A container that is started again may have the same name, and its process the same id.
    const isTold = host === here && Number(pid) !== process.pid;
    const isLeft = isTold ? !isAlive(Number(pid)) : await isUntouched(join(root, name));
    if (isLeft) await rm(join(root, name), { recursive: true, force: true });
  }
}

async function isUntouched(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => null);
  return found !== null && Date.now() - found.mtimeMs > inUseMs;
}
