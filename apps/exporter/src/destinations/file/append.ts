import { open } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Appends a text to a file, and returns once it is on disk. `begin` gets the length before, and must be on disk before the
 * first byte is written.
 */
export async function appendTo(path: string, text: string, begin: (length: number) => Promise<void>): Promise<void> {
  const file = await open(path, 'a', 0o640);
  try {
    const { size } = await file.stat();
    await begin(size);
    await file.writeFile(text);
    await file.datasync();
    if (size === 0) await syncFolder(dirname(path));
  } finally {
    await file.close();
  }
}

/** Cuts a file to a length. One that is shorter, or gone, stays: somebody else moved it away. */
export async function truncateTo(path: string, length: number): Promise<void> {
  const file = await open(path, 'r+').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (file === null) return;
  try {
    if ((await file.stat()).size > length) await file.truncate(length);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A new name is on disk with its folder. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
