import { readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isAlive } from '@auditbox/process/is-alive.ts';
import { readAddress } from './environment-file.ts';

/**
 * Reserves a folder for this stack by a file with its process id. Throws when another running stack has the folder. A
 * file of a dead process is replaced, also when another program has that process id now.
 */
export async function lockFolder(file: string): Promise<{ release(): Promise<void> }> {
  for (;;) {
    try {
      await writeFile(file, String(process.pid), { flag: 'wx' });
      return { release: () => rm(file, { force: true }) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const owner = Number(await readFile(file, 'utf8').catch(() => ''));
    if (owner > 0 && (await isStack(owner))) {
      const address = await readAddress(dirname(file));
      const where = address === null ? 'It is still starting.' : `It answers at ${address}.`;
      throw new Error(`Auditbox already runs in this folder (process ${owner}). ${where}`);
    }
    await rm(file, { force: true });
  }
}

async function isStack(pid: number): Promise<boolean> {
  if (!isAlive(pid)) return false;
  // Without /proc the process id alone decides.
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => null);
  return command === null || /(cli|embedded)\/src\/main\.ts|auditbox/.test(command);
}
