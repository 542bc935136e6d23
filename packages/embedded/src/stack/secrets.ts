import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';

/** Returns a secret of the stack. The first call creates it, in a file that only its owner can read. */
export async function keepSecret(file: string, prefix: string): Promise<{ value: string; isNew: boolean }> {
  try {
    return { value: (await readFile(file, 'utf8')).trim(), isNew: false };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const value = `${prefix}${randomBytes(24).toString('base64url')}`;
    await writeFile(file, `${value}\n`, { mode: 0o600, flag: 'wx' });
    return { value, isNew: true };
  }
}
