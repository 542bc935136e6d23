import { readdir, readFile } from 'node:fs/promises';

/** Linux counts in hundredths of a second, whatever the machine (`getconf CLK_TCK`). */
const msPerTick = 10;

/**
 * Processor time that a process has taken so far, by Linux's own accounting
 * (https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html); null where there is none. It hardly depends on what
 * else the machine does.
 */
export async function cpuMsOf(pid: number): Promise<number | null> {
  const times = await timesOf(pid);
  return times?.own ?? null;
}

/** The same of a process and all children it has or had, one level deep: a Postgres server. */
export async function cpuMsOfFamily(pid: number): Promise<number | null> {
  const parent = await timesOf(pid);
  if (parent === null) return null;
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const all = await Promise.all(pids.map((name) => timesOf(Number(name))));
  const living = all.filter((times) => times?.parent === pid).reduce((sum, times) => sum + (times?.own ?? 0), 0);
  return parent.own + parent.ofEndedChildren + living;
}

async function timesOf(pid: number): Promise<{ parent: number; own: number; ofEndedChildren: number } | null> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The name in parentheses may hold anything; what follows are numbers.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields.length < 15) return null;
  const ticks = (from: number) => (Number(fields[from]) + Number(fields[from + 1])) * msPerTick;
  return { parent: Number(fields[1]), own: ticks(11), ofEndedChildren: ticks(13) };
}
