import { generateKeyPairSync } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createKeySigner, formatVerifierKey } from '@auditbox/evidence/signed-note.ts';
import { keepSecret, readIfThere } from './secrets.ts';
import { writeOnce } from './write-once.ts';

/** The stack's log of batches: its name, the file of its key, and the key that verifies it. */
export interface StackLog {
  readonly origin: string;
  readonly keyFile: string;
  readonly verifierKey: string;
}

/** Returns the log of the stack. The first call makes its name and its key. */
export async function keepLogKey(home: string): Promise<StackLog> {
  const origin = (await keepSecret(join(home, 'log-origin'), 'npm-start/')).value;
  const keyFile = join(home, 'log-key.pem');
  const pem = await readOrMakeKey(keyFile);
  return { origin, keyFile, verifierKey: formatVerifierKey(createKeySigner(origin, pem).key) };
}

async function readOrMakeKey(file: string): Promise<string> {
  const kept = await readIfThere(file);
  if (kept !== null && kept !== '') return kept;
  // An earlier version left an empty file when the disk was full.
  await rm(file, { force: true });
  const { privateKey } = generateKeyPairSync('ed25519');
  const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  return (await writeOnce(file, pem)) ? pem : readOrMakeKey(file);
}
