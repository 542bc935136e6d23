import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Runs with a new Ed25519 key in a file, as the settings of the log and of receipts name it. */
export async function withKeyFile<T>(
  use: (key: { readonly file: string; readonly pem: string }) => Promise<T>,
): Promise<T> {
  const pem = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  const folder = await mkdtemp(join(tmpdir(), 'auditbox-bench-'));
  const file = join(folder, 'key.pem');
  await writeFile(file, pem);
  try {
    return await use({ file, pem });
  } finally {
    await rm(folder, { recursive: true });
  }
}
