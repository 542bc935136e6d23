import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import type { BenchmarkResult } from '../figures.ts';
import { drawPlot } from './plot.ts';
import { formatTable } from './table.ts';
import { formatTargets } from './targets.ts';

/** Writes `figures.md`, `figures.json` with the values of every turn, and one plot per benchmark. */
export async function writeReport(folder: string, results: readonly BenchmarkResult[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  const machine = describeMachine();
  const tables = [`${machine}\n`, ...results.map(formatTable), formatTargets(results)].join('\n');
  await writeFile(join(folder, 'figures.md'), tables);
  await writeFile(join(folder, 'figures.json'), `${JSON.stringify({ machine, results }, null, 1)}\n`);
  for (const result of results) await writeFile(join(folder, `${result.name}.svg`), drawPlot(result));
}

/** The machine on which the figures were measured. */
function describeMachine(): string {
  const [cpu] = cpus();
  const memory = Math.round(totalmem() / 1024 ** 3);
  return `${cpus().length} cores (${cpu?.model.trim()}), ${memory} GiB, Node ${process.versions.node}, ${new Date().toISOString().slice(0, 10)}`;
}
