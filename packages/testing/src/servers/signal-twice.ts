import { readFileSync } from 'node:fs';
import { constants } from 'node:os';

/**
 * Sends a signal to a process twice, with as little time in between as the system allows: equal signals that wait at the same
 * time are one, so the second is sent once the process has taken the first.
 */
export function signalTwice(pid: number, signal: NodeJS.Signals): void {
  process.kill(pid, signal);
  while (isPending(pid, signal));
  process.kill(pid, signal);
}

function isPending(pid: number, signal: NodeJS.Signals): boolean {
  const bit = 1n << BigInt(constants.signals[signal] - 1);
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const masks = [...status.matchAll(/^(?:SigPnd|ShdPnd):\s*([0-9a-f]+)$/gm)].map(([, mask]) => BigInt(`0x${mask}`));
  return masks.some((mask) => (mask & bit) !== 0n);
}
