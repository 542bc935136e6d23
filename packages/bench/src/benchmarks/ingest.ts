import type { BenchmarkResult } from '../figures.ts';
import { createLedger, rotate } from '../figures.ts';
import type { LoadPlan } from '../load/run-load.ts';
import { runLoad } from '../load/run-load.ts';
import { names } from '../names.ts';
import { createTwoInsertTables } from '../peers/two-insert-tables.ts';
import { benchKey, startApi } from '../rig/auditbox.ts';
import { withKeyFile } from '../rig/key-file.ts';
import { runPgbench } from '../rig/pgbench.ts';
import { type Program, startProgram } from '../rig/program.ts';
import type { BenchDatabase, Rig } from '../rig/rig.ts';
import { countWrites } from '../rig/write-cost.ts';

/** Stored events per second and response times: our api, a simple handler with two INSERTs, and pgbench. */

const batch = 200;

/** A server that stores events. */
export interface Contender {
  readonly name: string;
  /** Each has a row for each event. */
  readonly tables: readonly string[];
  open(rig: Rig): Promise<{ db: BenchDatabase; server: Program & { port: number } }>;
}

/** Our api, with settings. */
export const auditbox = (name: string, settings: Readonly<Record<string, string>>): Contender => ({
  name,
  tables: ['auditbox.audit_log', 'auditbox.outbox'],
  async open(rig) {
    const db = await rig.database();
    return { db, server: await startApi(rig, db.url, settings) };
  },
});

const twoInserts = (name: string, indexed: boolean): Contender => ({
  name,
  tables: ['audit', 'outbox'],
  async open(rig) {
    const db = await rig.database({ empty: true });
    await createTwoInsertTables(db.url, { indexed });
    const server = await startProgram({
      file: new URL('../peers/two-inserts-api.ts', import.meta.url),
      env: { DATABASE_URL: db.url, PORT: '0', API_KEY: benchKey },
      ready: /^ready/,
    });
    return { db, server: { ...server, port: Number(server.readyLine.split(' ')[1]) } };
  },
});

/** The handler is measured with our indexes, because it must serve the same reads, and with only primary keys. */
const peers = [twoInserts(names.twoInserts, true), twoInserts(names.twoInsertsBare, false)];

export function ingest(rig: Rig, plan: { turns: number; seconds: number }): Promise<BenchmarkResult> {
  return withKeyFile(({ file }) => {
    const receipts = { AUDIT_RECEIPTS_ORIGIN: 'bench.example/receipts', AUDIT_RECEIPTS_KEY_FILE: file };
    return measureAll(rig, [auditbox(names.auditbox, {}), auditbox(names.auditboxReceipts, receipts), ...peers], plan);
  });
}

async function measureAll(
  rig: Rig,
  contenders: readonly Contender[],
  { turns, seconds }: { turns: number; seconds: number },
): Promise<BenchmarkResult> {
  const ledger = createLedger();
  for (const eventsPerRequest of [1, batch]) {
    for (const connections of [1, 32, 128]) {
      const condition = names.ingest(connections, eventsPerRequest);
      for (let turn = 0; turn < turns; turn += 1) {
        for (const contender of rotate(contenders, turn)) {
          const { eventsPerSecond, requestMs, ...costs } = await measure(rig, contender, {
            path: eventsPerRequest === 1 ? '/audit' : '/audit/batch',
            eventsPerRequest,
            connections,
            durationMs: seconds * 1000,
          });
          ledger.add(contender.name, condition, 'events/s', eventsPerSecond);
          ledger.add(contender.name, condition, 'p50 ms', requestMs.p50);
          ledger.add(contender.name, condition, 'p99 ms', requestMs.p99);
          for (const [what, value] of Object.entries(costs)) {
            if (value !== null) ledger.add(contender.name, condition, what, value);
          }
          rig.say(`ingest, ${condition}: ${contender.name} ${Math.round(eventsPerSecond)} events/s`);
        }
        // The number of pgbench clients differs from the number of HTTP connections, so pgbench runs once per transaction size.
        if (connections !== (eventsPerRequest === 1 ? 128 : 32)) continue;
        const eventsPerSecond = await pgbench(rig, eventsPerRequest, seconds);
        if (eventsPerSecond === null) continue;
        ledger.add(names.pgbench, condition, 'events/s', eventsPerSecond);
        rig.say(`ingest, ${eventsPerRequest} a transaction: pgbench ${Math.round(eventsPerSecond)} events/s`);
      }
    }
  }
  return { name: 'ingest', title: 'Events stored per second', figures: ledger.figures(), plotted: 'events/s' };
}

/** Stores events for a while, and checks that none of them is missing. */
export async function measure(
  rig: Rig,
  contender: Contender,
  load: Pick<LoadPlan, 'path' | 'eventsPerRequest' | 'connections' | 'durationMs'>,
) {
  const { db, server } = await contender.open(rig);
  const written = await countWrites(db);
  const postgresBefore = await rig.postgresCpuMs();
  // Loading its modules costs a server more than ten thousand events.
  const startMs = await server.cpuMs();
  const { acknowledged, refused, eventsPerSecond, requestMs, ownCores } = await runLoad({
    ...load,
    port: server.port,
    key: benchKey,
    requestsPerSecond: null,
    warmUpMs: 2_000,
  });
  const endMs = await server.cpuMs();
  const peakMemory = await server.peakMemory();
  await server.stop();
  const postgresCpuMs = await rig.postgresCpuMs();
  const { walBytes, deadRows } = await written();
  await expectRows(db, contender.tables, acknowledged);
  await db.drop();
  if (Object.keys(refused).length > 0)
    throw new Error(`${contender.name} rejected requests: ${JSON.stringify(refused)}`);
  return {
    eventsPerSecond,
    requestMs,
    [names.apiTime]: perEvent(startMs, endMs, acknowledged),
    'CPU of Postgres, µs an event': perEvent(postgresBefore, postgresCpuMs, acknowledged),
    'bytes of WAL an event': walBytes / acknowledged,
    'dead rows an event': deadRows / acknowledged,
    'peak MB of the api': peakMemory && peakMemory / 1e6,
    'cores that the load generator used': ownCores,
  };
}

/** Microseconds of an event. A server that was just started may have used 0 ms; null is a system that does not count. */
function perEvent(beforeMs: number | null, afterMs: number | null, events: number): number | null {
  return beforeMs === null || afterMs === null ? null : ((afterMs - beforeMs) * 1000) / events;
}

/** Every measurement also checks that no event is missing. */
async function expectRows({ sql }: BenchDatabase, tables: readonly string[], expected: number): Promise<void> {
  for (const table of tables) {
    const [row] = await sql<[{ count: number }]>`select count(*)::int as count from ${sql(table)}`;
    if (row.count !== expected) throw new Error(`${table} holds ${row.count} rows; ${expected} were acknowledged.`);
  }
}

/** The best rate of inserts into our tables without an api, over several numbers of clients. Null without pgbench. */
async function pgbench(rig: Rig, rows: number, seconds: number): Promise<number | null> {
  let best: number | null = null;
  for (const clients of rows === 1 ? [32] : [4, 8]) {
    const db = await rig.database();
    const transactions = await runPgbench(db, { rows, clients, seconds });
    await db.drop();
    if (transactions !== null) best = Math.max(best ?? 0, transactions * rows);
  }
  return best;
}
