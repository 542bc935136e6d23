import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { archive } from './benchmarks/archive.ts';
import { capture } from './benchmarks/capture.ts';
import { destinations } from './benchmarks/destinations.ts';
import { drain } from './benchmarks/drain.ts';
import { ingest } from './benchmarks/ingest.ts';
import { lag } from './benchmarks/lag.ts';
import { log } from './benchmarks/log.ts';
import { poll } from './benchmarks/poll.ts';
import { query } from './benchmarks/query.ts';
import { redact } from './benchmarks/redact.ts';
import { scale } from './benchmarks/scale.ts';
import { size } from './benchmarks/size.ts';
import { verify } from './benchmarks/verify.ts';
import type { BenchCommand, BenchmarkName } from './cli.ts';
import type { BenchmarkResult } from './figures.ts';
import { formatTable } from './report/table.ts';
import { formatTargets } from './report/targets.ts';
import { writeReport } from './report/write-report.ts';
import { openRig, type Rig } from './rig/rig.ts';

/**
 * Runs the benchmarks one after the other and prints a table of the figures. It ends well when everything was measured, also
 * when targets are missed. A lost or doubled event ends it with an error.
 */
export async function runBenchmarks(command: BenchCommand): Promise<void> {
  const { only, quick, turns, profileFolder, outputFolder, capturePeersFolder, rows } = command;
  if (profileFolder !== null) await mkdir(profileFolder, { recursive: true });
  const nodeArguments = profileFolder === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${resolve(profileFolder)}`];
  const startedAt = performance.now();

  const benchmarks: Readonly<Record<BenchmarkName, (rig: Rig) => Promise<BenchmarkResult>>> = {
    ingest: (rig) => ingest(rig, { turns, seconds: quick ? 2 : 5 }),
    drain: (rig) => drain(rig, { turns, rows: quick ? 20_000 : 200_000 }),
    lag: (rig) => lag(rig, { seconds: quick ? 5 : 30 }),
    scale: (rig) =>
      scale(
        rig,
        quick ? { rows: 40_000, backlogs: [0, 100_000] } : { rows: 400_000, backlogs: [0, 1_000_000, 10_000_000] },
      ),
    destinations: (rig) => destinations(rig, { turns, rows: quick ? 50_000 : 200_000, seconds: quick ? 5 : 30 }),
    capture: (rig) =>
      capture(rig, {
        turns,
        rows: quick ? 5_000 : 50_000,
        seconds: quick ? 2 : 10,
        peersFolder: capturePeersFolder,
      }),
    redact: (rig) => redact(rig, { functionTurns: quick ? 1 : 10, turns, seconds: quick ? 2 : 5 }),
    log: (rig) => log(rig, { turns, rows: quick ? 20_000 : 200_000, batches: quick ? 7_000 : 70_000 }),
    verify: (rig) => verify(rig, { turns, events: quick ? 200_000 : 10_000_000 }),
    archive: (rig) => archive(rig, { turns, rows: quick ? 40_000 : 400_000 }),
    size: (rig) => {
      const large = rows ?? (quick ? 200_000 : 10_000_000);
      // A record of a million or less is compared with a tenth of it.
      const small = large > 1_000_000 ? 1_000_000 : Math.round(large / 10);
      return size(rig, { rows: [small, large], reads: quick ? 20 : 200 });
    },
    poll: (rig) => poll(rig, { sealed: quick ? [0, 100_000] : [0, 1_000_000, 10_000_000] }),
    query: (rig) =>
      query(
        rig,
        quick ? { rows: [10_000, 100_000], reads: 20 } : { rows: [10_000, 100_000, 1_000_000, 10_000_000], reads: 100 },
      ),
  };

  const rig = await openRig(nodeArguments, (line) => {
    const minutes = ((performance.now() - startedAt) / 60_000).toFixed(1);
    process.stderr.write(`${minutes} min  ${line}\n`);
  });
  const leave = (signal: NodeJS.Signals) => {
    process.stderr.write(`${signal}: stopping the started processes.\n`);
    void rig.close().finally(() => process.exit(1));
  };
  process.once('SIGINT', leave).once('SIGTERM', leave);
  const results: BenchmarkResult[] = [];
  try {
    for (const name of only) {
      const result = await benchmarks[name](rig);
      results.push(result);
      process.stdout.write(`\n${formatTable(result)}\n`);
    }
  } finally {
    await rig.close();
  }
  process.stdout.write(`\n${formatTargets(results)}\n`);
  if (outputFolder !== null) await writeReport(outputFolder, results);
}
