import { randomBytes } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { writeOnce } from './write-once.ts';

/**
 * Returns a secret of the stack. The first call creates it, in a file that only its owner can read. One that is shorter than
 * `minLength` comes from an earlier version and is replaced; so is an empty one, which a full disk left.
 */
export async function keepSecret(
  file: string,
  prefix: string,
  minLength = 1,
): Promise<{ value: string; isNew: boolean }> {
  const kept = (await readIfThere(file))?.trim() ?? null;
  if (kept !== null && kept.length >= minLength) return { value: kept, isNew: false };
  if (kept !== null) await rm(file);
  const value = `${prefix}${randomBytes(32).toString('base64url')}`;
  return (await writeOnce(file, `${value}\n`)) ? { value, isNew: true } : keepSecret(file, prefix, minLength);
}

/** The content of a file; null without one. */
export async function readIfThere(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
