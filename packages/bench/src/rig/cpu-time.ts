import { readdir, readFile } from 'node:fs/promises';

/** Linux counts in hundredths of a second on every machine (`getconf CLK_TCK`). */
const msPerTick = 10;

/**
 * Processor time that a process has used so far, from Linux's accounting
 * (https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html). Null on other systems. Other work on the machine hardly
 * changes it.
 */
export async function readCpuMs(pid: number): Promise<number | null> {
  const times = await readTimes(pid);
  return times?.own ?? null;
}

/** Processor time of a process and its direct children, ended ones included. Used for a Postgres server. */
export async function readFamilyCpuMs(pid: number): Promise<number | null> {
  const parent = await readTimes(pid);
  if (parent === null) return null;
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const all = await Promise.all(pids.map((name) => readTimes(Number(name))));
  const living = all.filter((times) => times?.parent === pid).reduce((sum, times) => sum + (times?.own ?? 0), 0);
  return parent.own + parent.ofEndedChildren + living;
}

async function readTimes(pid: number): Promise<{ parent: number; own: number; ofEndedChildren: number } | null> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The process name in parentheses may contain any character. All fields after it are numbers.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields.length < 15) return null;
  const ticks = (from: number) => (Number(fields[from]) + Number(fields[from + 1])) * msPerTick;
  return { parent: Number(fields[1]), own: ticks(11), ofEndedChildren: ticks(13) };
}
