import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { checkpointPath, logFolder } from '../../evidence/src/log-files.ts';
import type { VerifierKey } from '../../evidence/src/signed-note.ts';
import { listNewTiles, tilePath } from '../../evidence/src/tiles.ts';
import { type Archive, ArchiveError } from './archive/archive.ts';
import { readSigned } from './log/read-signed.ts';

/**
 * Writes the newest checkpoint that the log's key signed, and its tiles, as C2SP tlog-tiles has them, for the tools of others. The tiles
 * are not verified here. Returns the size.
 */
export async function writeTlog(archive: Archive, key: VerifierKey, folder: string): Promise<number> {
  const signed = await readSigned({ archive, key, report: () => {} });
  const size = signed?.checkpoints.at(-1)?.size;
  const checkpoint = size === undefined ? null : await archive.read(checkpointPath(size));
  if (size === undefined || checkpoint === null)
    throw new ArchiveError(`No checkpoint that ${key.name}+${key.id} signed is there.`);
  for (const tile of listNewTiles(0, size)) {
    const body = await archive.read(`${logFolder}${tilePath(tile)}`);
    if (body === null) throw new ArchiveError(`The file ${tilePath(tile)} of the log is missing.`);
    await write(join(folder, tilePath(tile)), body);
  }
  await write(join(folder, 'checkpoint'), checkpoint);
  return size;
}

async function write(file: string, body: Buffer): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, body);
  } catch (error) {
    throw new ArchiveError(`${file} cannot be written: ${(error as Error).message}.`);
  }
}
