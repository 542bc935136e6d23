import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Answer } from '../figures.ts';
import { toPlot } from './plot.ts';
import { toTable } from './table.ts';
import { toTargets } from './targets.ts';

/** Writes `figures.md`, `figures.json` with every turn, and a plot for each question. */
export async function writeReport(folder: string, answers: readonly Answer[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  const machine = machineHere();
  const tables = [`${machine}\n`, ...answers.map(toTable), toTargets(answers)].join('\n');
  await writeFile(join(folder, 'figures.md'), tables);
  await writeFile(join(folder, 'figures.json'), `${JSON.stringify({ machine, answers }, null, 1)}\n`);
  for (const answer of answers) await writeFile(join(folder, `${answer.name}.svg`), toPlot(answer));
}

/** What the figures were measured on. */
function machineHere(): string {
  const [cpu] = cpus();
  const memory = Math.round(totalmem() / 1024 ** 3);
  return `${cpus().length} cores (${cpu?.model.trim()}), ${memory} GiB, Node ${process.versions.node}, ${new Date().toISOString().slice(0, 10)}`;
}
