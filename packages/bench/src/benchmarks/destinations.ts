import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type BenchmarkResult, createLedger, rotate } from '../figures.ts';
import { runLoad } from '../load/run-load.ts';
import { names } from '../names.ts';
import { benchKey, startApi, startExporter } from '../rig/auditbox.ts';
import { type NullStore, startNullStore, waitUntilExported } from '../rig/null-store.ts';
import { oldBacklog, prefill } from '../rig/prefill.ts';
import type { BenchDatabase, Rig } from '../rig/rig.ts';
import { countWrites } from '../rig/write-cost.ts';

/** What destinations other than S3 reach, and what they cost S3 and the callers of the api. */

type Entry = Readonly<Record<string, unknown>>;
type Ledger = ReturnType<typeof createLedger>;

const receiverDelayMs = 10;

/** Large requests, as a receiver of this rate wants them. */
const large = { maxRows: 10_000, maxBytes: 4_000_000 };
const webhook = (url: string): Entry => ({
  ...{ name: 'webhook', type: 'webhook', url, secrets: [`whsec_${'A'.repeat(32)}`], body: 'ndjson', since: 'all' },
  ...large,
});
const hec = (url: string): Entry => ({
  ...{ name: 'hec', type: 'splunk-hec', url, token: 'bench', since: 'all' },
  ...large,
});

export async function destinations(
  rig: Rig,
  { turns, rows, seconds }: { turns: number; rows: number; seconds: number },
): Promise<BenchmarkResult> {
  const ledger = createLedger();
  const receiver = await startNullStore();
  for (let turn = 0; turn < turns; turn += 1) {
    for (const concurrency of [1, 4]) await drainTo(rig, ledger, { receiver, rows, concurrency, turn });
    await ingestWith(rig, ledger, { seconds, turn });
  }
  await lagTo(rig, ledger, { receiver, seconds });
  await receiver.close();
  return {
    name: 'destinations',
    title: 'Destinations other than S3',
    figures: ledger.figures(),
    plotted: names.receiverRate,
  };
}

async function drainTo(
  rig: Rig,
  ledger: Ledger,
  plan: { receiver: NullStore; rows: number; concurrency: number; turn: number },
): Promise<void> {
  const { receiver, rows, concurrency, turn } = plan;
  const contenders: readonly (readonly [string, Entry | null])[] = [
    [names.s3Alone, null],
    [names.webhook, webhook(receiver.endpoint)],
    [names.hec, hec(receiver.endpoint)],
  ];
  const condition = names.destinationDrain(concurrency);
  for (const [name, entry] of rotate(contenders, turn)) {
    const db = await rig.database();
    await prefill(db, rows);
    await db.sql`checkpoint`;
    await rig.store.start({ delayMs: 0 });
    await receiver.start({ delayMs: receiverDelayMs });
    const settings = entry === null ? {} : await configure([{ ...entry, concurrency }]);
    const exporter = await startExporter(rig, db.url, { ...oldBacklog, ...settings });
    const [archived, received] = await Promise.all([
      waitUntilExported(rig.store, rows),
      entry === null ? null : waitUntilExported(receiver, rows),
    ]);
    const cpuMs = await exporter.cpuMs();
    const peak = await exporter.peakMemory();
    await exporter.stop();
    await expectAll(name, rig.store, rows);
    if (entry !== null) await expectAll(name, receiver, rows);
    await db.drop();
    const rate = (lastAt: number) => rows / ((lastAt - exporter.readyAt) / 1000);
    ledger.add(name, condition, 'events/s at S3', rate(archived.lastAt));
    if (received !== null) ledger.add(name, condition, names.receiverRate, rate(received.lastAt));
    if (cpuMs !== null) ledger.add(name, condition, 'CPU of the exporter, µs an event', (cpuMs * 1000) / rows);
    if (peak !== null) ledger.add(name, condition, 'peak MB', peak / 1e6);
    const atReceiver = received === null ? '' : `, ${Math.round(rate(received.lastAt))} at the receiver`;
    rig.say(`destinations, ${condition}: ${name} ${Math.round(rate(archived.lastAt))} events/s at S3${atReceiver}`);
  }
}

async function lagTo(rig: Rig, ledger: Ledger, plan: { receiver: NullStore; seconds: number }): Promise<void> {
  const { receiver, seconds } = plan;
  const perSecond = 1_000;
  const eventsPerRequest = 10;
  const db = await rig.database();
  await rig.store.start({ delayMs: 30 });
  await receiver.start({ delayMs: receiverDelayMs });
  const api = await startApi(rig, db.url);
  const exporter = await startExporter(rig, db.url, {
    ...{ EXPORT_LINGER_MS: '1000' },
    ...(await configure([webhook(receiver.endpoint)])),
  });
  const { acknowledged } = await runLoad({
    ...{ port: api.port, key: benchKey, path: '/audit/batch', eventsPerRequest, connections: 32 },
    ...{ requestsPerSecond: perSecond / eventsPerRequest, warmUpMs: 2_000, durationMs: seconds * 1_000 },
  });
  await Promise.all([waitUntilExported(rig.store, acknowledged), waitUntilExported(receiver, acknowledged)]);
  await Promise.all([api.stop(), exporter.stop()]);
  for (const [name, store] of [
    [names.s3Alone, rig.store],
    [names.webhook, receiver],
  ] as const) {
    const { lagMs } = await expectAll(name, store, acknowledged);
    if (lagMs === null) throw new Error('Nothing was exported.');
    for (const part of ['p50', 'p99', 'max'] as const)
      ledger.add(name, names.lag(perSecond), `${part} ms`, lagMs[part]);
    rig.say(`destinations, ${names.lag(perSecond)}: ${name} p99 ${Math.round(lagMs.p99)} ms`);
  }
  await db.drop();
}

/**
 * An exporter seals and sends to S3 during the load. The destinations are paused: they get their deliveries, which is what they
 * cost the database. What sending costs is in the drain.
 */
async function ingestWith(rig: Rig, ledger: Ledger, { seconds, turn }: { seconds: number; turn: number }) {
  for (const count of rotate([0, 5], turn)) {
    const db = await rig.database();
    await rig.store.start({ delayMs: 30, keep: false });
    const entries = Array.from({ length: count }, (_, n) => ({
      ...webhook('http://127.0.0.1:1'),
      ...{ name: `webhook-${n}`, paused: true },
    }));
    const settings = count === 0 ? {} : await configure(entries);
    const api = await startApi(rig, db.url);
    const exporter = await startExporter(rig, db.url, { EXPORT_LINGER_MS: '1000', ...settings });
    await waitForDestinations(db, count + 1);
    const written = await countWrites(db);
    const postgresBefore = await rig.postgresCpuMs();
    const { acknowledged, eventsPerSecond } = await runLoad({
      ...{ port: api.port, key: benchKey, path: '/audit/batch', eventsPerRequest: 10, connections: 32 },
      ...{ requestsPerSecond: null, warmUpMs: 2_000, durationMs: seconds * 1_000 },
    });
    await waitUntilExported(rig.store, acknowledged);
    await Promise.all([api.stop(), exporter.stop()]);
    const postgresAfter = await rig.postgresCpuMs();
    const { walBytes } = await written();
    const name = names.destinationIngest(count);
    const condition = 'batches of 10 through the api, 32 connections, an exporter at work';
    ledger.add(name, condition, 'events/s', eventsPerSecond);
    ledger.add(name, condition, names.wal, walBytes / acknowledged);
    if (postgresBefore !== null && postgresAfter !== null)
      ledger.add(name, condition, names.postgresTime, ((postgresAfter - postgresBefore) * 1000) / acknowledged);
    rig.say(`destinations, ingest: ${name} ${Math.round(eventsPerSecond)} events/s`);
    await db.drop();
  }
}

async function configure(entries: readonly Entry[]): Promise<Record<string, string>> {
  const file = join(await mkdtemp(join(tmpdir(), 'auditbox-bench-')), 'destinations.json');
  await writeFile(file, JSON.stringify({ destinations: entries }));
  return { DESTINATIONS_FILE: file };
}

async function waitForDestinations({ sql }: BenchDatabase, count: number): Promise<void> {
  for (;;) {
    const rows = await sql`select from auditbox.destination`;
    if (rows.length === count) return;
    await sleep(20);
  }
}

async function expectAll(name: string, store: NullStore, rows: number) {
  const tally = await store.tally();
  if (tally.lines < rows || tally.ids !== rows)
    throw new Error(`${name}: ${tally.lines} lines of ${tally.ids} ids arrived; there are ${rows} events.`);
  return tally;
}
