import { formatBatchEntry, noPrevious } from '@auditbox/evidence/batch-entry.ts';
import { formatCheckpoint } from '@auditbox/evidence/checkpoint.ts';
import { createLineTree } from '@auditbox/evidence/line-tree.ts';
import { growTree, leafHash, must } from '@auditbox/evidence/merkle.ts';
import { createKeySigner, type NoteSigner, signNote } from '@auditbox/evidence/signed-note.ts';
import { encodeBundle, listNewTiles, listTileNodes, tileWidth } from '@auditbox/evidence/tiles.ts';
import { type BenchmarkResult, createLedger, rotate } from '../figures.ts';
import { names } from '../names.ts';
import { withKeyFile } from '../rig/key-file.ts';
import type { Rig } from '../rig/rig.ts';
import { eventBodies } from '../workload/event-bodies.ts';
import { measureDrain } from './drain.ts';

/** What the log of batches costs: the exporter's time for an event and for a batch, and a drain with and without it. */

const rowsPerBatch = 10_000;
const batchesPerCheckpoint = 1_000;
const chunkBytes = 131_072;
const passes = 10;
const origin = 'bench.example/log';

export function log(
  rig: Rig,
  { turns, rows, batches }: { turns: number; rows: number; batches: number },
): Promise<BenchmarkResult> {
  return withKeyFile(async ({ file, pem }) => {
    const ledger = createLedger();
    const signer = createKeySigner(origin, pem);
    const logged = { EXPORT_LOG_ORIGIN: origin, EXPORT_LOG_KEY_FILE: file, EXPORT_LOG_INTERVAL_MS: '1000' };
    const contenders = [
      { name: names.auditbox, settings: {} },
      { name: names.auditboxLog, settings: logged },
    ];
    for (let turn = 0; turn < turns; turn += 1) {
      ledger.add(names.auditbox, names.tree, 'µs an event', timeTree());
      ledger.add(names.auditbox, names.batches, 'µs a batch', await timeBatches(batches, signer));
      for (const { name, settings } of rotate(contenders, turn)) {
        const measured = await measureDrain(rig, { name, rows, settings });
        for (const [what, value] of Object.entries(measured))
          if (value !== null) ledger.add(name, names.logDrain, what, value);
        rig.say(`log, ${names.logDrain}: ${name} ${Math.round(measured['events/s'])} events/s`);
      }
    }
    return { name: 'log', title: 'Cost of the log of batches', figures: ledger.figures(), plotted: 'events/s' };
  });
}

/** Microseconds of an event: the best of several passes, because other work on the machine only adds to it. */
function timeTree(): number {
  const ndjson = Buffer.from(
    eventBodies(rowsPerBatch)
      .map((body) => `${body}\n`)
      .join(''),
  );
  let best = Number.POSITIVE_INFINITY;
  for (let pass = 0; pass < passes; pass += 1) {
    const startedAt = performance.now();
    const tree = createLineTree();
    for (let at = 0; at < ndjson.length; at += chunkBytes) tree.add(ndjson.subarray(at, at + chunkBytes));
    tree.root();
    best = Math.min(best, performance.now() - startedAt);
  }
  return (best * 1_000) / rowsPerBatch;
}

/** Microseconds of a batch: its entry, the tree, the bytes of all new files, and the signatures. Without database and bucket. */
async function timeBatches(batches: number, signer: NoteSigner): Promise<number> {
  const startedAt = performance.now();
  const tree = growTree();
  const entries: Buffer[] = [];
  const nodes: Buffer[][] = [];
  let [previous, published, bytes] = [noPrevious, 0, 0];
  for (let index = 0; index < batches; index += 1) {
    const entry = Buffer.from(formatBatchEntry({ ...anEntry, index, previous }));
    const leaf = leafHash(entry);
    previous = leaf.toString('hex');
    entries.push(entry);
    for (const [level, hash] of tree.append(leaf).entries()) {
      nodes[level] ??= [];
      nodes[level].push(hash);
    }
    if (tree.size % batchesPerCheckpoint > 0 && tree.size < batches) continue;
    for (const tile of listNewTiles(published, tree.size)) {
      const { level, index: at, width } = tile;
      bytes +=
        level === 'entries'
          ? encodeBundle(entries.slice(at * tileWidth, at * tileWidth + width)).length
          : Buffer.concat(listTileNodes({ ...tile, level }).map((node) => must(nodes[node.level]?.[node.index])))
              .length;
    }
    bytes += (await signNote(formatCheckpoint({ origin, size: tree.size, root: tree.root() }), [signer])).length;
    published = tree.size;
  }
  if (bytes === 0) throw new Error('Nothing was published.');
  return ((performance.now() - startedAt) * 1_000) / batches;
}

const anEntry = {
  ...{ origin, tenant: null, rows: rowsPerBatch, bytes: 9_452_185, sha256: 'a'.repeat(64), lines: 'b'.repeat(64) },
  key: 'dt=2026-07-03/hour=11/114650_000000000042_0123456789ab.ndjson.gz',
  ...{ objectBytes: 2_250_328, objectSha256: 'c'.repeat(64) },
  ...{ first: '2026-07-03T11:46:50.123456Z', last: '2026-07-03T11:59:59.999999Z' },
  ...{ recordedFirst: '2026-07-03T11:46:50.200000Z', recordedLast: '2026-07-03T12:00:01.000000Z' },
  logged: '2026-07-03T12:00:12.000000Z',
};
