import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeArchive, type TestArchive } from '../../../verify/test/make-archive.ts';
import { type BenchmarkResult, createLedger } from '../figures.ts';
import { names } from '../names.ts';
import type { Rig } from '../rig/rig.ts';
import { type CommandRun, runCommand } from '../rig/run-command.ts';
import { eventBodies } from '../workload/event-bodies.ts';

/** The auditor's command over a folder: events per second and peak memory, and a run that finds nothing new. */

const rowsPerObject = 10_000;
const program = fileURLToPath(new URL('../../../verify/src/main.ts', import.meta.url));

export async function verify(rig: Rig, { turns, events }: { turns: number; events: number }): Promise<BenchmarkResult> {
  const ledger = createLedger();
  const archive = await makeEvents(events, (made) => rig.say(`verify: ${made} events written`));
  const state = join(archive.folder, '_state.json');
  try {
    for (let turn = 0; turn < turns; turn += 1) {
      const content = await run(archive, ['--state', state, '--full'], events);
      add(names.archive(events), content);
      const again = await run(archive, ['--state', state], 0);
      ledger.add(names.auditbox, names.archiveAgain(events), 's', again.s);
      ledger.add(names.auditbox, names.archiveAgain(events), 'CPU, s', again.cpuS);
      const each = await run(archive, ['--level', 'events'], events);
      add(names.archiveEvents(events), each);
      rig.say(`verify: ${Math.round(events / content.s)} events/s, by event ${Math.round(events / each.s)}`);
    }
  } finally {
    await rm(archive.folder, { recursive: true });
  }
  function add(condition: string, { s, cpuS, peakMb }: CommandRun): void {
    ledger.add(names.auditbox, condition, 'events/s', events / s);
    ledger.add(names.auditbox, condition, 'CPU, µs an event', (cpuS * 1e6) / events);
    ledger.add(names.auditbox, condition, 'peak MB', peakMb);
  }
  return { name: 'verify', title: 'Verification of a folder', figures: ledger.figures(), plotted: 'events/s' };
}

/** A folder as an exporter makes it. All objects have the same events but for their ids. */
async function makeEvents(events: number, onProgress: (made: number) => void): Promise<TestArchive> {
  const archive = makeArchive();
  const bodies = eventBodies(rowsPerObject).map((body, n) => `"updated_at":"${timeOf(n)}",${body.slice(1)}`);
  for (let made = 0; made < events; made += rowsPerObject) {
    archive.add(bodies.slice(0, events - made).map((body) => `{"id":"${randomUUID()}",${body}`));
    if (made % 1_000_000 === 0) onProgress(made);
  }
  await archive.publish();
  return archive;
}

/** Within the hour of the folder, in order. */
function timeOf(n: number): string {
  return new Date(Date.UTC(2026, 6, 3, 11) + n * 200).toISOString();
}

async function run({ folder, key }: TestArchive, args: readonly string[], expected: number): Promise<CommandRun> {
  const done = await runCommand({
    program,
    nodeArguments: ['--max-semi-space-size=1', '--optimize-for-size'],
    args: ['--from-folder', folder, '--key', key, '--json', ...args],
  });
  const { readRows } = JSON.parse(done.output) as { readRows: number };
  if (readRows !== expected) throw new Error(`The verification read ${readRows} events:\n${done.output}`);
  return done;
}
