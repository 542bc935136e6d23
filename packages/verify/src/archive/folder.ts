import { constants, type Dirent } from 'node:fs';
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Archive, type ArchivedFile, ArchiveError, type FilledMemory, mostSmallBytes } from './archive.ts';

/** A folder on this machine: what `aws s3 sync` or any other copy made. A stranger may have put anything into it. */
export function openFolder(root: string): Archive {
  async function* list(folder: string): AsyncIterable<ArchivedFile> {
    for (const entry of await listFolder(root, folder)) {
      const path = `${folder}${entry.name}`;
      if (entry.isDirectory()) yield* list(`${path}/`);
      else yield { path, ...(await measure(root, path)) };
    }
  }

  return {
    list,
    async read(path) {
      let memory = Buffer.alloc(0);
      const filled = await readInto(root, path, (bytes) => {
        memory = Buffer.alloc(Math.min(bytes, mostSmallBytes + 1));
        return memory;
      });
      return filled && memory.subarray(0, filled.kept);
    },
    readInto: (path, memory) => readInto(root, path, () => memory),
    listVersions: null,
  };
}

async function listFolder(root: string, folder: string): Promise<Dirent[]> {
  try {
    return await readdir(join(root, folder), { withFileTypes: true });
  } catch (error) {
    return missingOr(error, folder, []);
  }
}

/** A file that was removed since it was listed, or whose name is not UTF-8, has no bytes. */
async function measure(root: string, path: string): Promise<Pick<ArchivedFile, 'bytes' | 'modifiedAt'>> {
  try {
    const found = await stat(join(root, path));
    if (!found.isFile()) throw notAFile(path);
    return { bytes: found.size, modifiedAt: found.mtimeMs };
  } catch (error) {
    return missingOr(error, path, { bytes: 0, modifiedAt: 0 });
  }
}

/** `take` is given the length, and returns the memory to fill. */
async function readInto(root: string, path: string, take: (bytes: number) => Buffer): Promise<FilledMemory | null> {
  const file = await openFile(root, path);
  if (file === null) return null;
  try {
    const found = await file.stat();
    if (found.isDirectory()) return null;
    if (!found.isFile()) throw notAFile(path);
    const memory = take(found.size);
    let kept = 0;
    for (let read = -1; read !== 0 && kept < memory.length; kept += read)
      read = (await file.read(memory, kept, memory.length - kept)).bytesRead;
    return { kept, more: Math.max(0, (await file.stat()).size - kept) };
  } finally {
    await file.close();
  }
}

/** Null when it is missing. */
async function openFile(root: string, path: string): Promise<FileHandle | null> {
  try {
    // Nobody may ever write into a pipe.
    return await open(join(root, path), constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    return missingOr(error, path, null);
  }
}

/** What the file system says of a name that no file has, or can have. */
const missingCodes = new Set(['ENOENT', 'ENOTDIR', 'EISDIR', 'ENAMETOOLONG', 'ERR_INVALID_ARG_VALUE']);

function missingOr<T>(error: unknown, path: string, missing: T): T {
  if (error instanceof ArchiveError) throw error;
  const { code = '', message } = error as NodeJS.ErrnoException;
  if (missingCodes.has(code)) return missing;
  throw new ArchiveError(`${path} cannot be read: ${message}.`);
}

function notAFile(path: string): ArchiveError {
  return new ArchiveError(
    `${path} is not a file or a folder: a copy of a bucket has nothing else. Copy what a link leads to.`,
  );
}
