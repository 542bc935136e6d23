import { createInterface } from 'node:readline';

/*
 * Ends the processes of a stack that was killed and could not end them itself. It reads from the stack's pipe:
 * `+PID SIGNAL` for a started process and the signal that stops it, `-PID` for a process that has ended. When the pipe
 * closes, it stops the processes that still run, and kills them after ten seconds.
 */

const graceMs = 10_000;
const running = new Map<number, NodeJS.Signals>();

for await (const line of createInterface(process.stdin)) {
  const pid = Number(line.slice(1).split(' ')[0]);
  if (line.startsWith('+')) running.set(pid, line.split(' ')[1] as NodeJS.Signals);
  else running.delete(pid);
}
for (const [pid, signal] of running) kill(pid, signal);
const giveUpAt = performance.now() + graceMs;
while ([...running.keys()].some((pid) => kill(pid, 0)) && performance.now() < giveUpAt) {
  await new Promise((resolve) => setTimeout(resolve, 100));
}
for (const pid of running.keys()) kill(pid, 'SIGKILL');

function kill(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
