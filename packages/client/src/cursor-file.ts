import { open, readFile, rename } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { CursorStore } from './poll.ts';
import { syncFolder } from './sync-folder.ts';

/** Keeps the cursor of a poll in a file. A crash leaves the old cursor or the new one. One poll may use the file. */
export function cursorFile(path: string): CursorStore {
  const part = `${path}.part`;
  return {
    async load() {
      try {
        return (await readFile(path, 'utf8')).trim() || null;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
        throw error;
      }
    },
    async save(cursor) {
      const file = await open(part, 'w', 0o600);
      try {
        await file.writeFile(`${cursor}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(part, path);
      await syncFolder(dirname(resolve(path)));
    },
  };
}
