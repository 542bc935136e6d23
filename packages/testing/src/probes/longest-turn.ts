/*
 * Loaded before an app. At each SIGUSR2 it prints the most processor time that the main thread used in one turn of its event
 * loop since the last one. Unlike a time on the clock it does not grow when other programs need the processor.
 * The kernel's part is left out: 8 MiB of fresh memory take it 60 ms on some virtual machines, and 3 on others.
 */

let last = usedMs();
let mostMs = 0;
let reports = 0;

setInterval(() => {
  const now = usedMs();
  mostMs = Math.max(mostMs, now - last);
  last = now;
}, 1).unref();

process.on('SIGUSR2', () => {
  reports += 1;
  const line = { level: 'info', event: 'longest-turn', msg: 'The longest turn.', reports, cpuMs: mostMs };
  process.stdout.write(`${JSON.stringify(line)}\n`);
  mostMs = 0;
});

function usedMs(): number {
  return process.threadCpuUsage().user / 1000;
}
