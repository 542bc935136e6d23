import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { findFreePort } from '@auditbox/embedded/stack/free-port.ts';

/** The embedded object store of one test, as a separate process. */
export interface OwnStore {
  readonly endpoint: string;
  close(): Promise<void>;
}

export async function startOwnStore(): Promise<OwnStore> {
  const folder = await mkdtemp(join(tmpdir(), 'auditbox-store-'));
  const port = await findFreePort();
  const main = fileURLToPath(new URL('../../../embedded/src/s3/main.ts', import.meta.url));
  const child: ChildProcess = spawn(process.execPath, [main, String(port), folder, 'auditbox'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    // Ctrl-C reaches only the process that started us, which then closes the store.
    detached: true,
  });
  if (!child.stdout) throw new Error('The store has no output.');
  await once(createInterface(child.stdout), 'line');
  return {
    endpoint: `http://127.0.0.1:${port}`,
    async close() {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
