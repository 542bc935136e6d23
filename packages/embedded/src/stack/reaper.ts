import { createInterface } from 'node:readline';

/*
 * Ends what the stack started when the stack itself is killed and cannot. It is a process of its own that reads from
 * the stack's pipe: `+PID SIGNAL` for a process that was started and the signal that stops it, `-PID` for one that
 * ended. When the pipe ends, it stops all that are left, and after a while by force.
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
