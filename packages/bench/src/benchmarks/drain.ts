import { type BenchmarkResult, createLedger, rotate } from '../figures.ts';
import { names } from '../names.ts';
import { drainPeers } from '../peers/drain-peers.ts';
import { startExporter, storeEnvironment } from '../rig/auditbox.ts';
import { waitUntilExported } from '../rig/null-store.ts';
import { oldBacklog, prefill } from '../rig/prefill.ts';
import { type Program, startProgram } from '../rig/program.ts';
import type { BenchDatabase, Rig } from '../rig/rig.ts';
import { countWrites } from '../rig/write-cost.ts';

/** Events per second that an exporter drains from a full outbox: Auditbox and its alternatives. */

interface Contender {
  readonly name: string;
  /** Fewer for slow contenders, so that a run ends. */
  readonly rows: number;
  open(rig: Rig, rows: number): Promise<BenchDatabase>;
  start(rig: Rig, db: BenchDatabase): Promise<Program>;
}

export async function drain(rig: Rig, { turns, rows }: { turns: number; rows: number }): Promise<BenchmarkResult> {
  const ledger = createLedger();
  for (const delayMs of [0, 30]) {
    const condition = names.drain(delayMs);
    for (let turn = 0; turn < turns; turn += 1) {
      for (const contender of rotate(contenders(rows), turn)) {
        const measured = await measure(rig, contender, delayMs);
        for (const [what, value] of Object.entries(measured)) {
          if (value !== null) ledger.add(contender.name, condition, what, value);
        }
        rig.say(`drain, ${condition}: ${contender.name} ${Math.round(measured['events/s'])} events/s`);
      }
    }
  }
  return { name: 'drain', title: 'Events exported per second', figures: ledger.figures(), plotted: 'events/s' };
}

function contenders(rows: number): Contender[] {
  const peers = drainPeers.map(
    ({ peer, share }): Contender => ({
      name: peer.name,
      rows: Math.round(rows * share),
      async open(rig, count) {
        const db = await rig.database({ empty: true });
        await peer.prefill(db.url, count);
        await db.sql`vacuum analyze`;
        return db;
      },
      start: (rig, db) =>
        startProgram({
          file: peer.program,
          env: { DATABASE_URL: db.url, ...storeEnvironment(rig.store.endpoint), ...peer.settings },
          ready: /^ready/,
        }),
    }),
  );
  return [
    auditbox({ name: names.auditbox, rows, settings: {} }),
    auditbox({ name: names.auditboxZstd, rows, settings: { EXPORT_COMPRESSION: 'zstd' } }),
    ...peers,
  ];
}

interface OwnDrain {
  readonly name: string;
  readonly rows: number;
  /** Of the exporter, in addition to the defaults. */
  readonly settings: Readonly<Record<string, string>>;
}

function auditbox({ name, rows, settings }: OwnDrain): Contender {
  return {
    name,
    rows,
    async open(rig) {
      const db = await rig.database();
      await prefill(db, rows);
      return db;
    },
    start: (rig, db) => startExporter(rig, db.url, { ...oldBacklog, ...settings }),
  };
}

/** Drains with Auditbox into a store that answers at once. */
export function measureDrain(rig: Rig, own: OwnDrain): ReturnType<typeof measure> {
  return measure(rig, auditbox(own), 0);
}

async function measure(rig: Rig, contender: Contender, delayMs: number) {
  const { store } = rig;
  const { rows } = contender;
  const db = await contender.open(rig, rows);
  await db.sql`checkpoint`;
  await store.start({ delayMs });
  const written = await countWrites(db);
  const postgresBefore = await rig.postgresCpuMs();
  const program = await contender.start(rig, db);
  const { lastAt } = await waitUntilExported(store, rows);
  const peakMemory = await program.peakMemory();
  const ownCpuMs = await program.cpuMs();
  await program.stop();
  const postgresCpuMs = await rig.postgresCpuMs();
  const { walBytes, deadRows, deadOutboxRows } = await written();
  const { lines, ids, bytes } = await store.tally();
  if (lines !== rows || ids !== rows) {
    throw new Error(`${contender.name} exported ${lines} lines of ${ids} ids; there are ${rows} events.`);
  }
  await db.drop();
  return {
    'events/s': rows / ((lastAt - program.readyAt) / 1000),
    'CPU of the exporter, µs an event': ownCpuMs && (ownCpuMs * 1000) / rows,
    [names.postgresTime]: postgresCpuMs && postgresBefore && ((postgresCpuMs - postgresBefore) * 1000) / rows,
    [names.wal]: walBytes / rows,
    'dead rows an event': deadRows / rows,
    [names.deadOutboxRows]: deadOutboxRows / rows,
    'bytes in the bucket an event': bytes / rows,
    'peak MB': peakMemory && peakMemory / 1e6,
  };
}
