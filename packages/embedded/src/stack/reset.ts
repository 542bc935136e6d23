import { rm } from 'node:fs/promises';
import { join } from 'node:path';

/** What a stack makes in its folder, without the file by which it reserves the folder. */
const made = [
  ...['postgres', 'postgres.making', 'postgres-password', 'postgres-secret', 's3'],
  ...['master-key', 'log-origin', 'log-key.pem', 'env'],
];

/** Deletes the data of an earlier start, and no other file of the folder. */
export async function resetFolder(home: string): Promise<void> {
  for (const name of made) await rm(join(home, name), { recursive: true, force: true });
}
