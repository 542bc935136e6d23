import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseCommand, type Question } from './cli.ts';
import type { Answer } from './figures.ts';
import { drain } from './questions/drain.ts';
import { ingest } from './questions/ingest.ts';
import { lag } from './questions/lag.ts';
import { poll } from './questions/poll.ts';
import { query } from './questions/query.ts';
import { scale } from './questions/scale.ts';
import { toTable } from './report/table.ts';
import { toTargets } from './report/targets.ts';
import { writeReport } from './report/write-report.ts';
import { openRig, type Rig } from './rig/rig.ts';

/*
 * `npm run bench`: asks each question in turn and prints a table of the figures. Exit code 0 when all could be measured,
 * whatever the figures say; a lost or doubled event ends it.
 */

const { only, quick, turns, profileFolder, outputFolder } = parseCommand(process.argv.slice(2));
if (profileFolder !== null) await mkdir(profileFolder, { recursive: true });
const nodeArguments = profileFolder === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${resolve(profileFolder)}`];
const startedAt = performance.now();

const ask: Readonly<Record<Question, (rig: Rig) => Promise<Answer>>> = {
  ingest: (rig) => ingest(rig, { turns, seconds: quick ? 2 : 5 }),
  drain: (rig) => drain(rig, { turns, rows: quick ? 20_000 : 200_000 }),
  lag: (rig) => lag(rig, { seconds: quick ? 5 : 30 }),
  scale: (rig) =>
    scale(
      rig,
      quick ? { rows: 40_000, backlogs: [0, 100_000] } : { rows: 400_000, backlogs: [0, 1_000_000, 10_000_000] },
    ),
  poll: (rig) => poll(rig, { exported: quick ? [0, 100_000] : [0, 1_000_000, 10_000_000] }),
  query: (rig) =>
    query(
      rig,
      quick ? { rows: [10_000, 100_000], asks: 20 } : { rows: [10_000, 100_000, 1_000_000, 10_000_000], asks: 100 },
    ),
};

const rig = await openRig(nodeArguments, (line) => {
  const minutes = ((performance.now() - startedAt) / 60_000).toFixed(1);
  process.stderr.write(`${minutes} min  ${line}\n`);
});
const leave = (signal: NodeJS.Signals) => {
  process.stderr.write(`${signal}: ending what was started.\n`);
  void rig.close().finally(() => process.exit(1));
};
process.once('SIGINT', leave).once('SIGTERM', leave);
const answers: Answer[] = [];
try {
  for (const question of only) {
    const answer = await ask[question](rig);
    answers.push(answer);
    process.stdout.write(`\n${toTable(answer)}\n`);
  }
} finally {
  await rig.close();
}
process.stdout.write(`\n${toTargets(answers)}\n`);
if (outputFolder !== null) await writeReport(outputFolder, answers);
