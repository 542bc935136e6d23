import { spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { makeArchive, someLines } from './make-archive.ts';

/* The command reads an archive of any size in flat memory. It runs in its own process, as an auditor runs it. */

const program = fileURLToPath(new URL('../src/main.ts', import.meta.url));
/** Prints the peak of the resident memory in kB. The child inherits no peak, unlike `maxRSS`, which begins with the parent's. */
const preload =
  "data:text/javascript,import{isMainThread}from'node:worker_threads';import{readFileSync}from'node:fs';isMainThread&&process.on('exit',()=>console.error(/VmHWM:\\s*(\\d+)/.exec(readFileSync('/proc/self/status','utf8'))[1]))";

/** The program has a worker for each core but one. */
const workerMb = 30;
const rowsPerObject = 10_000;
/** Events of about a kilobyte, as the benchmark has them. */
const bodies = someLines(rowsPerObject).map((line) =>
  line.replace(/^\{"id":"[^"]+"/, '').replace(/\}$/, `,"comment":"${randomBytes(200).toString('hex').repeat(2)}"}`),
);

/** The peak in MB of a run over an archive of this many objects. */
async function peakOf(objects: number, level: 'content' | 'events'): Promise<number> {
  const archive = makeArchive();
  try {
    for (let n = 0; n < objects; n += 1) archive.add(bodies.map((body) => `{"id":"${randomUUID()}"${body}`));
    await archive.publish();
    // As in package.json.
    const args = [
      '--max-semi-space-size=1',
      '--optimize-for-size',
      '--import',
      preload,
      program,
      '--from-folder',
      archive.folder,
      '--key',
      archive.key,
      '--json',
    ];
    const child = spawn(process.execPath, [...args, '--level', level], { stdio: ['ignore', 'pipe', 'pipe'] });
    const [[code], output, errors] = await Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)]);
    expect([code, JSON.parse(output || '{}').readRows]).toEqual([0, objects * rowsPerObject]);
    return Number(errors.trim().split('\n').at(-1)) / 1_000;
  } finally {
    rmSync(archive.folder, { recursive: true });
  }
}

test.each([
  ['content', 160],
  ['events', 200],
] as const)(
  'the level %s needs at most %i MB on two cores, and no more for four times as many objects',
  async (level, mostMb) => {
    const few = await peakOf(15, level);
    const many = await peakOf(60, level);
    expect(many).toBeLessThan(mostMb + workerMb * Math.max(0, availableParallelism() - 2));
    expect(many - few).toBeLessThan(20);
  },
);
