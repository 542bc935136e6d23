import { constants, type Dirent } from 'node:fs';
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Archive,
  type ArchivedFile,
  ArchiveError,
  FileRefusedError,
  type FilledMemory,
  mostSmallBytes,
  type UnreadPath,
} from './archive.ts';

type OnUnread = (unread: UnreadPath) => void;

/**
 * A folder on this machine: what `aws s3 sync` or any other copy made. A stranger may have put anything into it. A file or a folder
 * that cannot be read says nothing about the others.
 */
export function openFolder(root: string): Archive {
  async function* list(folder: string, onUnread: OnUnread): AsyncIterable<ArchivedFile> {
    for (const entry of await listFolder(root, folder, onUnread)) {
      const path = `${folder}${entry.name}`;
      if (entry.isDirectory()) {
        yield* list(`${path}/`, onUnread);
        continue;
      }
      const found = await measure(root, path, onUnread);
      if (found !== null) yield { path, ...found };
    }
  }

  return {
    list,
    async read(path) {
      let memory = Buffer.alloc(0);
      const filled = await readInto(root, path, (bytes) => {
        // One byte more, so that a file that grows is not what was expected.
        memory = Buffer.alloc(Math.min(bytes, mostSmallBytes) + 1);
        return memory;
      });
      return filled && memory.subarray(0, filled.kept);
    },
    readInto: (path, memory) => readInto(root, path, () => memory),
    listVersions: null,
  };
}

async function listFolder(root: string, folder: string, onUnread: OnUnread): Promise<Dirent[]> {
  try {
    return await readdir(join(root, folder), { withFileTypes: true });
  } catch (error) {
    return missingOr(error, [], (reason) => {
      // Without the root nothing can be checked.
      if (folder === '') throw new ArchiveError(`The folder ${root} cannot be read. ${reason}`);
      onUnread({ path: folder, reason });
      return [];
    });
  }
}

/** Null when nothing is known about it. A file that was removed since it was listed, or whose name is not UTF-8, has no bytes. */
async function measure(
  root: string,
  path: string,
  onUnread: OnUnread,
): Promise<Pick<ArchivedFile, 'bytes' | 'modifiedAt'> | null> {
  try {
    const found = await stat(join(root, path));
    if (found.isFile()) return { bytes: found.size, modifiedAt: found.mtimeMs };
    onUnread({ path, reason: notAFile });
    return null;
  } catch (error) {
    return missingOr(error, { bytes: 0, modifiedAt: 0 }, (reason) => {
      onUnread({ path, reason });
      return null;
    });
  }
}

/** `take` is given the length, and returns the memory to fill. */
async function readInto(root: string, path: string, take: (bytes: number) => Buffer): Promise<FilledMemory | null> {
  try {
    const file = await openFile(root, path);
    return file && (await fill(file, take));
  } catch (error) {
    return missingOr(error, null, (reason) => {
      throw new FileRefusedError(reason);
    });
  }
}

async function fill(file: FileHandle, take: (bytes: number) => Buffer): Promise<FilledMemory | null> {
  try {
    const found = await file.stat();
    if (found.isDirectory()) return null;
    if (!found.isFile()) throw new FileRefusedError(notAFile);
    const memory = take(found.size);
    let kept = 0;
    for (let read = -1; read !== 0 && kept < memory.length; kept += read)
      read = (await file.read(memory, kept, memory.length - kept)).bytesRead;
    return { kept, more: Math.max(0, (await file.stat()).size - kept), lock: null };
  } finally {
    await file.close();
  }
}

function openFile(root: string, path: string): Promise<FileHandle> {
  // Nobody may ever write into a pipe.
  return open(join(root, path), constants.O_RDONLY | constants.O_NONBLOCK);
}

/** What the file system says of a name that no file has, or can have. */
const missingCodes = new Set(['ENOENT', 'ENOTDIR', 'EISDIR', 'ENAMETOOLONG', 'ERR_INVALID_ARG_VALUE']);

/** The reason lies in this machine, and not in the file. */
const machineCodes = new Set(['EMFILE', 'ENFILE', 'ENOMEM']);

function missingOr<T>(error: unknown, missing: T, unread: (reason: string) => T): T {
  if (error instanceof ArchiveError) throw error;
  const { code = '', message } = error as NodeJS.ErrnoException;
  if (missingCodes.has(code)) return missing;
  const reason = `It cannot be read: ${message}.`;
  if (machineCodes.has(code)) throw new ArchiveError(reason);
  return unread(reason);
}

const notAFile = 'It is not a file or a folder: a copy of a bucket has nothing else. Copy what a link leads to.';
