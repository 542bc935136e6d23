import { chmod, mkdir } from 'node:fs/promises';

/** What each error of the file system means for the folder of all data. */
const reasons: Readonly<Record<string, string>> = {
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EROFS: 'it is on a file system that is read-only',
  EEXIST: 'it is a file',
  ENOTDIR: 'a part of its path is a file',
  ENOSPC: 'the disk is full',
  ENAMETOOLONG: 'its path is too long',
};

/**
 * Makes the folder of all data. A folder that was there before keeps its mode: it may be a home, or one that others use too. What
 * the stack puts into it is for its owner alone.
 */
export async function makeHome(home: string): Promise<void> {
  try {
    const made = await mkdir(home, { recursive: true });
    // Root runs Postgres as another user, who must be able to enter. Nobody else may list it.
    if (made !== undefined) await chmod(home, process.getuid?.() === 0 ? 0o711 : 0o700);
  } catch (error) {
    throw explainFolder(home, error);
  }
}

/** An error of the file system in words, with what to do. */
export function explainFolder(home: string, error: unknown): Error {
  const { code = '', message } = error as NodeJS.ErrnoException;
  const reason = reasons[code] ?? message;
  return new Error(`The data cannot be in ${home}: ${reason} (${code}). Name another folder with --data.`, {
    cause: error,
  });
}
