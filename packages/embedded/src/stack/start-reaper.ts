import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Reports to the reaper (reaper.ts) which processes run. */
export interface Reaper {
  started(pid: number, stopSignal: NodeJS.Signals): void;
  ended(pid: number): void;
}

/** Starts the process that ends our child processes however this process ends. */
export function startReaper(): Reaper {
  const file = fileURLToPath(new URL('reaper.ts', import.meta.url));
  const child = spawn(process.execPath, [file], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  child.unref();
  // The stack works without the reaper, so its death stops nothing.
  child.stdin.on('error', () => {});
  const send = (line: string) => void child.stdin.write(`${line}\n`);
  return { started: (pid, stopSignal) => send(`+${pid} ${stopSignal}`), ended: (pid) => send(`-${pid}`) };
}
