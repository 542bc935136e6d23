import { readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isAlive } from '@auditbox/process/is-alive.ts';
import { readAddress } from './environment-file.ts';
import { explainFolder } from './make-home.ts';
import { writeOnce } from './write-once.ts';

/**
 * Reserves a folder for this stack by a file with its process id. Throws when another running stack has the folder. A
 * file of a dead process is replaced, also when another program has that process id now.
 */
export async function lockFolder(file: string): Promise<{ release(): Promise<void> }> {
  for (;;) {
    if (await write(file)) return { release: () => rm(file, { force: true }) };
    const owner = Number(await readFile(file, 'utf8').catch(() => ''));
    // In a container each start has the same process id, so the file of a killed one may have ours.
    if (owner > 0 && owner !== process.pid && (await isStack(owner))) {
      const address = await readAddress(dirname(file));
      const where = address === null ? 'It is still starting.' : `It answers at ${address}.`;
      throw new Error(`Auditbox already runs in this folder (process ${owner}). ${where}`);
    }
    await rm(file, { force: true });
  }
}

/** The first file of a start: it shows whether the folder can be written. */
async function write(file: string): Promise<boolean> {
  try {
    return await writeOnce(file, String(process.pid));
  } catch (error) {
    throw explainFolder(dirname(file), error);
  }
}

async function isStack(pid: number): Promise<boolean> {
  if (!isAlive(pid)) return false;
  // Without /proc the process id alone decides.
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => null);
  return command === null || /(cli|embedded)\/src\/main\.ts|auditbox/.test(command);
}
