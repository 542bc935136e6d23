import { createSweep } from '@auditbox/core/export/sweep.ts';
import { connectDatabase, type Database } from '@auditbox/db/database/connect.ts';
import { type SealLimits, type SealRange, sealBatches, sealStatement } from '@auditbox/db/export/seal-batches.ts';
import { type BenchmarkResult, createLedger } from '../figures.ts';
import { names } from '../names.ts';
import type { BenchDatabase, Rig } from '../rig/rig.ts';

/**
 * The cost of a poll that finds nothing when the outbox holds exported rows: without and with an open snapshot, which
 * keeps their dead index entries. Also the cost of the sweep over all these rows.
 */

const limits: SealLimits = {
  grain: 'hour',
  maxRows: 10_000,
  maxBytes: 16 * 1024 * 1024,
  lingerMs: 10_000,
  maxBatches: 64,
};
const polls = 100;

export async function poll(rig: Rig, { exported }: { exported: readonly number[] }): Promise<BenchmarkResult> {
  const ledger = createLedger();
  const notes: string[] = [];
  for (const rows of exported) {
    for (const held of rows === 0 ? [false] : [false, true]) {
      const condition = `${rows.toLocaleString('en-US')} exported rows${held ? ', with an open snapshot' : ''}`;
      const { figures, plan } = await measureOne(rig, rows, held);
      notes.push(`How a poll finds pending rows, ${condition}:\n${plan}`);
      for (const [measure, value] of Object.entries(figures)) {
        ledger.add(names.auditbox, condition, measure, value);
        rig.say(`poll, ${condition}: ${measure} ${value.toFixed(2)}`);
      }
    }
  }
  return { name: 'poll', title: 'Polls that find nothing', figures: ledger.figures(), plotted: 'poll ms', notes };
}

async function measureOne(rig: Rig, rows: number, held: boolean) {
  const bench = await rig.database();
  const db = connectDatabase({
    url: bench.url,
    application: 'bench',
    maxConnections: 2,
    statementTimeoutMs: 600_000,
    avoidSeqScans: true,
  });
  const release = await exportRows(bench, rows, held);
  const lowWater = String(rows);
  // The first poll marks dead index entries, which makes later polls quick. Only those are measured.
  await timePoll(db, { after: lowWater });
  const times: number[] = [];
  for (let turn = 0; turn < polls; turn += 1) times.push(await timePoll(db, { after: lowWater }));
  times.sort((a, b) => a - b);
  const { roundS, longestMs } = await sweepRound(db, lowWater);
  const plan = await explainPoll(db, lowWater);
  await release();
  await db.close(1_000);
  await bench.drop();
  const figures: Record<string, number> = {
    'poll ms': times[polls >> 1] ?? Number.NaN,
    'longest read of the sweep, ms': longestMs,
    'round of the sweep, s': roundS,
  };
  return { figures, plan };
}

/** The part of the plan that reads the outbox. The other parts only process its rows. */
async function explainPoll(db: Database, lowWater: string): Promise<string> {
  const rows = await db.sql<{ 'QUERY PLAN': string }[]>`
    explain (analyze, costs off, buffers) ${sealStatement(db.sql, limits, { after: lowWater })}`;
  const lines = rows.map((row) => row['QUERY PLAN']);
  const from = lines.findIndex((line) => line.includes('CTE candidate'));
  const to = lines.findIndex((line) => line.includes('CTE queued'));
  return [...lines.slice(from, to), ...lines.filter((line) => line.startsWith('Execution Time'))].join('\n');
}

/** Makes rows that were pending and are in a batch now, so that the index of pending rows holds their dead entries. */
async function exportRows({ sql }: BenchDatabase, rows: number, held: boolean): Promise<() => Promise<void>> {
  await sql`
    insert into outbox (audit_id, occurred_at, recorded_at, bytes)
    select uuidv7(), now() - interval '1 day', now() - interval '1 day', 1000 from generate_series(1, ${rows}::int)`;
  const reader = await sql.reserve();
  if (held) await reader.unsafe('begin isolation level repeatable read; select count(*) from export_batch').simple();
  const perBatch = 1_000_000;
  for (let from = 0; from < rows; from += perBatch) {
    await sql`update outbox set batch_id = 1 where id > ${from} and id <= ${from + perBatch}`;
  }
  await sql`vacuum analyze outbox`;
  return async () => {
    if (held) await reader.unsafe('rollback');
    reader.release();
  };
}

/** Measures the second round. In the first, the sweep adapts the size of its slices. */
async function sweepRound(db: Database, lowWater: string): Promise<{ roundS: number; longestMs: number }> {
  const sweep = createSweep(() => performance.now());
  if (lowWater === '0') return { roundS: 0, longestMs: 0 };
  let longestMs = 0;
  let startedAt = 0;
  for (let rounds = 0; ; ) {
    await new Promise((resolve) => setTimeout(resolve, rounds === 0 ? 0 : sweep.dueInMs()));
    const slice = sweep.next(lowWater);
    if (slice === null) continue;
    if (slice.after === '0') {
      rounds += 1;
      startedAt = performance.now();
    }
    const ms = await timePoll(db, slice);
    sweep.finished({ tookSome: false, seenUpTo: slice.upTo, ms });
    if (rounds < 2) continue;
    longestMs = Math.max(longestMs, ms);
    if (slice.upTo === lowWater) return { roundS: (performance.now() - startedAt) / 1000, longestMs };
  }
}

async function timePoll(db: Database, range: SealRange): Promise<number> {
  const startedAt = performance.now();
  const { rows } = await sealBatches(db, limits, range);
  if (rows > 0) throw new Error(`A poll that should find nothing sealed ${rows} rows.`);
  return performance.now() - startedAt;
}
