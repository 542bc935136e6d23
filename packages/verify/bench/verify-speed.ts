import { randomUUID } from 'node:crypto';
import { cpus } from 'node:os';
import { createLineTree } from '../../evidence/src/line-tree.ts';
import { parseVerifierKey, type VerifierKey } from '../../evidence/src/signed-note.ts';
import { runArchive } from '../src/run-archive.ts';
import { makeArchive } from '../test/make-archive.ts';

/*
 * `node packages/verify/bench/verify-speed.ts [EVENTS]`: what the tree over lines costs, and how fast an archive in a folder
 * is verified. Read the figures only on a machine that does nothing else.
 */

const events = Number(process.argv[2] ?? 1_000_000);
const rowsPerObject = 10_000;
const objects = Math.ceil(events / rowsPerObject);

const lines = Array.from({ length: rowsPerObject }, (_, n) => makeLine(n));
const ndjson = Buffer.from(lines.map((line) => `${line}\n`).join(''));
const rounds = 20;
timeTree();
const treeMs = timeTree();
print(
  `tree over lines of ${Math.round(ndjson.length / rowsPerObject)} bytes: ${perEvent(treeMs, rounds * rowsPerObject)} µs an event`,
);

const archive = makeArchive();
const logMs = performance.now();
for (let n = 0; n < objects; n += 1)
  archive.add(lines.map((line) => line.replace(/^\{"id":"[^"]+/, `{"id":"${randomUUID()}`)));
await archive.publish();
print(
  `${objects} objects with ${objects * rowsPerObject} events made in ${((performance.now() - logMs) / 1_000).toFixed(1)} s`,
);

for (const level of ['log', 'head', 'content', 'events'] as const) {
  const started = performance.now();
  const { exitCode, findings } = await runArchive(
    {
      source: { kind: 'folder', folder: archive.folder },
      key: parseVerifierKey(archive.key) as VerifierKey,
      ...{ level, stateFile: null, full: true, sample: 0 },
    },
    { onFinding() {}, onProgress() {} },
  );
  const ms = performance.now() - started;
  const rate = Math.round((objects * rowsPerObject * 1_000) / ms).toLocaleString('en');
  const { maxRSS } = process.resourceUsage();
  print(
    `--level ${level}: ${ms.toFixed(0)} ms, ${rate} events/s, exit ${exitCode}, ${findings.length} findings, at most ${Math.round(maxRSS / 1024)} MB`,
  );
}
print(`${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}`);

/** In ms, for all rounds. */
function timeTree(): number {
  const started = performance.now();
  for (let n = 0; n < rounds; n += 1) {
    const tree = createLineTree();
    for (let at = 0; at < ndjson.length; at += 131_072) tree.add(ndjson.subarray(at, at + 131_072));
    tree.root();
  }
  return performance.now() - started;
}

function perEvent(ms: number, count: number): string {
  return ((ms * 1_000) / count).toFixed(2);
}

function makeLine(n: number): string {
  const value = { max_budget: n, models: ['gpt-4o', 'claude'], note: 'x'.repeat(300), team: `team-${n % 97}` };
  return JSON.stringify({
    id: randomUUID(),
    updated_at: `2026-07-03T11:${String(Math.floor(n / 600) % 60).padStart(2, '0')}:${String(Math.floor(n / 10) % 60).padStart(2, '0')}.${String(n % 10).padStart(3, '0')}Z`,
    ...{
      changed_by: 'ana@example.com',
      changed_by_api_key: '',
      action: 'updated',
      table_name: 'teams',
      object_id: `${n}`,
    },
    ...{ before_value: value, updated_values: value, context: null, recorded_at: '2026-07-03T11:59:00.000000Z' },
  });
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
