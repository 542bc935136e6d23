import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Tells the reaper (reaper.ts) what runs. */
export interface Reaper {
  started(pid: number, stopSignal: NodeJS.Signals): void;
  ended(pid: number): void;
}

/** Starts the process that cleans up after this one, however this one ends. */
export function startReaper(): Reaper {
  const file = fileURLToPath(new URL('reaper.ts', import.meta.url));
  const child = spawn(process.execPath, [file], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  child.unref();
  // A reaper that is gone is no reason to stop what works.
  child.stdin.on('error', () => {});
  const tell = (line: string) => void child.stdin.write(`${line}\n`);
  return { started: (pid, stopSignal) => tell(`+${pid} ${stopSignal}`), ended: (pid) => tell(`-${pid}`) };
}
