import { readFile, rm, writeFile } from 'node:fs/promises';

/**
 * Makes a folder one stack's own by a file with its process id. Throws when another stack that runs has it. A file that
 * was left behind does not count, nor does its number when some other program has it by now.
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
    if (owner > 0 && (await isStack(owner)))
      throw new Error(`Auditbox runs in this folder already (process ${owner}).`);
    await rm(file, { force: true });
  }
}

async function isStack(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it runs as somebody else.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  // Where there is no /proc the number alone must do.
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => 'embedded/src/main.ts');
  return command.includes('embedded/src/main.ts');
}
