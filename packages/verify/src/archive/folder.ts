import { createReadStream } from 'node:fs';
import { open, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Archive, ArchivedFile } from './archive.ts';

const readBytes = 1024 * 1024;

/** A folder on this machine: what `aws s3 sync` or any other copy made. */
export function openFolder(root: string): Archive {
  async function* list(folder: string): AsyncIterable<ArchivedFile> {
    const entries = await readdir(join(root, folder), { withFileTypes: true }).catch(missingAs([]));
    for (const entry of entries) {
      const path = `${folder}${entry.name}`;
      if (entry.isDirectory()) yield* list(`${path}/`);
      else {
        const { size, mtimeMs } = await stat(join(root, path));
        yield { path, bytes: size, modifiedAt: mtimeMs };
      }
    }
  }

  return {
    list,
    read: (path) => readFile(join(root, path)).catch(missingAs(null)),
    async readInto(path, memory) {
      const file = await open(join(root, path)).catch(missingAs(null));
      if (file === null) return null;
      try {
        let kept = 0;
        for (let read = -1; read !== 0 && kept < memory.length; kept += read)
          read = (await file.read(memory, kept, memory.length - kept)).bytesRead;
        return { kept, more: Math.max(0, (await file.stat()).size - kept) };
      } finally {
        await file.close();
      }
    },
    async stream(path) {
      const file = await open(join(root, path)).catch(missingAs(null));
      return file && createReadStream('', { fd: file, highWaterMark: readBytes });
    },
    listVersions: null,
  };
}

function missingAs<T>(value: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR' || error.code === 'EISDIR') return value;
    throw error;
  };
}
