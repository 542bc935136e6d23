import { connectDatabase, type Database } from '@auditbox/db/database/connect.ts';
import { type OutboxCursor, outboxStart, reconcileOutbox } from '@auditbox/db/export/reconcile.ts';
import { type SealLimits, sealBatches } from '@auditbox/db/export/seal-batches.ts';
import { type BenchmarkResult, createLedger } from '../figures.ts';
import { names } from '../names.ts';
import type { BenchDatabase, Rig } from '../rig/rig.ts';

/**
 * The cost of a poll that finds nothing when the outbox holds sealed rows: without and with an open snapshot, which keeps
 * gaps open. Also the cost of the reconciliation over all these rows.
 */

const limits: SealLimits = {
  grain: 'hour',
  byTenant: false,
  maxRows: 10_000,
  maxBytes: 16 * 1024 * 1024,
  lingerMs: 0,
  maxBatches: 64,
};
const polls = 100;
const rowsPerBlock = 10_000;

export async function poll(rig: Rig, { sealed }: { sealed: readonly number[] }): Promise<BenchmarkResult> {
  const ledger = createLedger();
  for (const rows of sealed) {
    for (const held of rows === 0 ? [false] : [false, true]) {
      const condition = `${rows.toLocaleString('en-US')} sealed rows${held ? ', with an open snapshot' : ''}`;
      for (const [measure, value] of Object.entries(await measureOne(rig, rows, held))) {
        ledger.add(names.auditbox, condition, measure, value);
        rig.say(`poll, ${condition}: ${measure} ${value.toFixed(2)}`);
      }
    }
  }
  return { name: 'poll', title: 'Polls that find nothing', figures: ledger.figures(), plotted: 'poll ms' };
}

async function measureOne(rig: Rig, rows: number, held: boolean): Promise<Record<string, number>> {
  const bench = await rig.database();
  const db = connectDatabase({
    url: bench.url,
    application: 'bench',
    maxConnections: 2,
    statementTimeoutMs: 600_000,
    avoidSeqScans: true,
  });
  const release = await sealRows(bench, db, rows, held);
  const times: number[] = [];
  for (let turn = 0; turn < polls; turn += 1) times.push(await timePoll(db));
  times.sort((a, b) => a - b);
  const { allS, longestMs } = await reconcileAll(db);
  await release();
  await db.close(1_000);
  await bench.drop();
  return {
    'poll ms': times[polls >> 1] ?? Number.NaN,
    'longest block of the reconciliation, ms': longestMs,
    'reconciliation of all rows, s': allS,
  };
}

/** Inserts outbox rows without events, with an aborted transaction for every tenth statement, and seals them. */
async function sealRows(
  { sql }: BenchDatabase,
  db: Database,
  rows: number,
  held: boolean,
): Promise<() => Promise<void>> {
  const reader = await sql.reserve();
  if (held) {
    // A transaction id holds the horizon, so no gap can be closed.
    await reader.unsafe('begin isolation level repeatable read; select pg_current_xact_id()').simple();
  }
  const perStatement = 100_000;
  for (let done = 0; done < rows; done += perStatement) {
    const insert = `
      insert into auditbox.outbox (audit_id, occurred_at, recorded_at, bytes)
      select uuidv7(), now() - interval '1 day', now() - interval '1 day', 1000
      from generate_series(1, ${Math.min(perStatement, rows - done)})`;
    if (done % (10 * perStatement) === 0) await sql.unsafe(`begin; ${insert}; rollback`).simple();
    await sql.unsafe(insert);
    while ((await sealBatches(db, limits)).more);
  }
  await sql`vacuum analyze`;
  return async () => {
    if (held) await reader.unsafe('rollback');
    reader.release();
  };
}

async function reconcileAll(db: Database): Promise<{ allS: number; longestMs: number }> {
  const startedAt = performance.now();
  let longestMs = 0;
  for (let behind: OutboxCursor | null = outboxStart; behind !== null; ) {
    const blockAt = performance.now();
    const { next, lostRows } = await reconcileOutbox(db, behind, rowsPerBlock);
    if (lostRows > 0) throw new Error(`The reconciliation found ${lostRows} rows that nothing lost.`);
    longestMs = Math.max(longestMs, performance.now() - blockAt);
    behind = next;
  }
  return { allS: (performance.now() - startedAt) / 1000, longestMs };
}

async function timePoll(db: Database): Promise<number> {
  const startedAt = performance.now();
  const { rows } = await sealBatches(db, limits);
  if (rows > 0) throw new Error(`A poll that should find nothing sealed ${rows} rows.`);
  return performance.now() - startedAt;
}
