import { randomBytes } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';

/**
 * Returns a secret of the stack. The first call creates it, in a file that only its owner can read. One that is shorter than
 * `minLength` comes from an earlier version and is replaced.
 */
export async function keepSecret(
  file: string,
  prefix: string,
  minLength = 0,
): Promise<{ value: string; isNew: boolean }> {
  try {
    const value = (await readFile(file, 'utf8')).trim();
    if (value.length >= minLength) return { value, isNew: false };
    await rm(file);
    return keepSecret(file, prefix, minLength);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const value = `${prefix}${randomBytes(32).toString('base64url')}`;
    await writeFile(file, `${value}\n`, { mode: 0o600, flag: 'wx' });
    return { value, isNew: true };
  }
}
