import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { checkpointFolder, logFolder, sizeOfCheckpoint } from '../../evidence/src/log-files.ts';
import { listNewTiles, tilePath } from '../../evidence/src/tiles.ts';
import { type Archive, ArchiveError } from './archive/archive.ts';

/**
 * Writes the newest checkpoint and its tiles as C2SP tlog-tiles has them, for the tools of others. Nothing is verified here.
 * Returns the size.
 */
export async function writeTlog(archive: Archive, folder: string): Promise<number> {
  let size = 0;
  let newest = '';
  for await (const { path } of archive.list(checkpointFolder)) {
    const found = sizeOfCheckpoint(path) ?? 0;
    if (found > size) [size, newest] = [found, path];
  }
  const checkpoint = newest === '' ? null : await archive.read(newest);
  if (checkpoint === null) throw new ArchiveError('No checkpoint is there.');
  for (const tile of listNewTiles(0, size)) {
    const body = await archive.read(`${logFolder}${tilePath(tile)}`);
    if (body === null) throw new ArchiveError(`The file ${tilePath(tile)} of the log is missing.`);
    await write(join(folder, tilePath(tile)), body);
  }
  await write(join(folder, 'checkpoint'), checkpoint);
  return size;
}

async function write(file: string, body: Buffer): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, body);
}
