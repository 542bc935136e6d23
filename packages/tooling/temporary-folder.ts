import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What tests leave in the folder for temporary files ends with this process. Servers under other users enter it. */
export function useTemporaryFolder(): void {
  const folder = mkdtempSync(join(tmpdir(), 'auditbox-run-'));
  chmodSync(folder, 0o711);
  process.env.TMPDIR = folder;
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
}
