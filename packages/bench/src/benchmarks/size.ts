import { connectDatabase, type Database } from '@auditbox/db/database/connect.ts';
import { type SealLimits, sealBatches } from '@auditbox/db/export/seal-batches.ts';
import { makeMonths } from '@auditbox/db/months/make-months.ts';
import postgres from 'postgres';
import { type BenchmarkResult, createLedger, median } from '../figures.ts';
import { names } from '../names.ts';
import { startApi, startExporter } from '../rig/auditbox.ts';
import { changeMonths } from '../rig/change-months.ts';
import { waitUntilExported } from '../rig/null-store.ts';
import { measurePages, requestsTo, walkPages } from '../rig/pages.ts';
import { oldBacklog } from '../rig/prefill.ts';
import type { BenchDatabase, Rig } from '../rig/rig.ts';
import { sizeColumns, sizeSql, spanDays } from '../workload/size-sql.ts';

/**
 * Whether Auditbox is as quick with many events as with few: pages, sealing, draining, months, vacuum and memory, for a small
 * and a large record of the same months.
 */

export interface SizePlan {
  /** The smaller and the larger number of events. */
  readonly rows: readonly [number, number];
  /** Reads of a page by each filter. */
  readonly reads: number;
}

const limits: SealLimits = {
  grain: 'hour',
  byTenant: false,
  maxRows: 10_000,
  maxBytes: 16 * 1024 * 1024,
  lingerMs: 0,
  maxBatches: 64,
};
const rowsPerStatement = 50_000;
const loaders = 2;
/** Sealed and drained when all other events are in the tables; as many in both records. */
const newest = 200_000;
const sealedParts = 5;
const { size: measures } = names;

export async function size(rig: Rig, { rows, reads }: SizePlan): Promise<BenchmarkResult> {
  const ledger = createLedger();
  const all: Record<string, number>[] = [];
  for (const count of rows) {
    const condition = names.smallEvents(count);
    const late = Math.min(newest, Math.ceil(rows[0] / 5));
    const figures = await measureOne(rig, { rows: count, late, reads });
    for (const [measure, value] of Object.entries(figures)) {
      ledger.add(names.auditbox, condition, measure, value);
      rig.say(`size, ${condition}: ${measure} ${value.toPrecision(3)}`);
    }
    all.push(figures);
  }
  const [small, large] = all as [Record<string, number>, Record<string, number>];
  for (const measure of Object.keys(small).filter((name) => !measures.notCompared.has(name))) {
    const [before, after] = [small[measure], large[measure]];
    if (before && after !== undefined) ledger.add(names.auditbox, names.largeToSmall, measure, after / before);
  }
  return {
    name: 'size',
    title: 'Many events against few',
    figures: ledger.figures(),
    plotted: names.slowestPage,
    notes: [`The last rows are the figures of ${names.smallEvents(rows[1])}, divided by those of ${rows[0]}.`],
  };
}

interface Measurement {
  readonly rows: number;
  /** The newest of them, which are sealed and drained when all others are done. */
  readonly late: number;
  readonly reads: number;
}

async function measureOne(rig: Rig, { rows, late, reads }: Measurement): Promise<Record<string, number>> {
  const bench = await rig.database();
  const db = connectDatabase({
    url: bench.url,
    application: 'bench',
    maxConnections: 2,
    statementTimeoutMs: 3_600_000,
    avoidSeqScans: true,
  });
  const until = new Date().toISOString();
  const fill = { rows, until, say: rig.say };
  try {
    await makeMonths(db, listMonths(until));
    const figures: Record<string, number> = {};
    figures[measures.insert] = await insertEvents(bench, { ...fill, first: 1, last: rows - late });
    await rig.store.start({ delayMs: 0, keep: false });
    const backlog = await drain(rig, bench, rows - late);
    figures[measures.backlog] = backlog.eventsPerSecond;
    figures[measures.seal] = await insertAndSeal(bench, db, { ...fill, first: rows - late + 1, last: rows });
    const again = await drain(rig, bench, rows);
    figures[measures.drain] = (again.eventsPerSecond * late) / rows;
    figures[measures.exporterPeak] = Math.max(backlog.peakMb, again.peakMb);
    await checkAllDone(bench, rows);
    Object.assign(figures, await readVacuum(bench, rows));
    Object.assign(figures, await readPages(rig, bench, reads));
    Object.assign(figures, await changeMonths(bench, db, until));
    return figures;
  } finally {
    await db.close(1_000);
    await bench.drop();
  }
}

/** The first instants of the months of the events. */
function listMonths(until: string): string[] {
  const days = Array.from({ length: spanDays + 2 }, (_, n) => Date.parse(until) - n * 86_400_000);
  return [...new Set(days.map((day) => `${new Date(day).toISOString().slice(0, 7)}-01T00:00:00Z`))];
}

interface Fill {
  readonly rows: number;
  readonly until: string;
  readonly first: number;
  readonly last: number;
  readonly say: (line: string) => void;
}

/** Inserts by SQL; the trigger writes the outbox rows. Returns the rows a second. */
async function insertEvents({ url }: BenchDatabase, { rows, until, first, last, say }: Fill): Promise<number> {
  const startedAt = performance.now();
  const starts: number[] = [];
  for (let start = first; start <= last; start += rowsPerStatement) starts.push(start);
  let done = 0;
  await Promise.all(
    Array.from({ length: loaders }, async () => {
      const own = postgres(url, { max: 1, onnotice: () => {} });
      for (let start = starts.shift(); start !== undefined; start = starts.shift()) {
        const end = Math.min(last, start + rowsPerStatement - 1);
        await own.unsafe(`insert into auditbox.audit_log (${sizeColumns}) ${sizeSql(start, end, rows, until)}`);
        done += end - start + 1;
        if (done % 1_000_000 === 0)
          say(`size: ${done.toLocaleString('en-US')} of ${rows.toLocaleString('en-US')} rows`);
      }
      await own.end();
    }),
  );
  return (last - first + 1) / ((performance.now() - startedAt) / 1000);
}

/** Runs an exporter until the store has `rows` rows in all. */
async function drain(rig: Rig, bench: BenchDatabase, rows: number) {
  const exporter = await startExporter(rig, bench.url, oldBacklog);
  const { lastAt } = await waitUntilExported(rig.store, rows);
  const peakMb = ((await exporter.peakMemory()) ?? 0) / 1e6;
  await exporter.stop();
  return { eventsPerSecond: rows / ((lastAt - exporter.readyAt) / 1000), peakMb };
}

/** Inserts in parts and seals each. A part takes a tenth of a second, and autovacuum may run in one, so the median counts. */
async function insertAndSeal(bench: BenchDatabase, db: Database, { first, last, ...fill }: Fill): Promise<number> {
  const rows = Math.ceil((last - first + 1) / sealedParts);
  const rates: number[] = [];
  for (let start = first; start <= last; start += rows) {
    const end = Math.min(last, start + rows - 1);
    await insertEvents(bench, { ...fill, first: start, last: end });
    rates.push(await sealAll(db, end - start + 1));
  }
  return median(rates);
}

/** Seals the rows that wait, and returns how many a second. */
async function sealAll(db: Database, rows: number): Promise<number> {
  const startedAt = performance.now();
  let sealed = 0;
  for (let more = true; more; ) {
    const call = await sealBatches(db, limits);
    sealed += call.rows;
    more = call.more || (call.rows > 0 && sealed < rows);
  }
  if (sealed !== rows) throw new Error(`${sealed} rows were sealed; ${rows} waited.`);
  return rows / ((performance.now() - startedAt) / 1000);
}

async function checkAllDone({ sql }: BenchDatabase, rows: number): Promise<void> {
  const [row] = await sql<[{ rows: number }]>`
    select coalesce(sum(b.row_count), 0)::int as rows
    from auditbox.delivery d join auditbox.batch b on b.id = d.batch_id where d.state = 'done'`;
  if (row.rows !== rows) throw new Error(`${row.rows} rows are done; there are ${rows} events.`);
}

/** What is left for vacuum, what autovacuum did so far, and what a vacuum of everything needs. */
async function readVacuum({ sql }: BenchDatabase, rows: number): Promise<Record<string, number>> {
  // Statistics of sessions that ended a moment ago are there; those of this session are sent now.
  await sql`select pg_stat_force_next_flush()`;
  const [row] = await sql<[{ dead: number; deadOutbox: number; vacuums: number; bytes: number; line: number }]>`
    select sum(n_dead_tup)::float8 as dead,
      coalesce(sum(n_tup_upd + n_tup_del) filter (where relname = 'outbox'), 0)::float8 as "deadOutbox",
      sum(autovacuum_count)::float8 as vacuums, pg_database_size(current_database())::float8 as bytes,
      (select avg(bytes) from (select bytes from auditbox.outbox limit 10000) few)::float8 as line
    from pg_stat_user_tables where schemaname = 'auditbox'`;
  const startedAt = performance.now();
  await sql`vacuum analyze`;
  return {
    [measures.line]: row.line,
    [measures.disk]: row.bytes / rows,
    [measures.dead]: row.dead,
    [names.deadOutboxRows]: row.deadOutbox / rows,
    [measures.autovacuums]: row.vacuums,
    [measures.vacuum]: (performance.now() - startedAt) / 1000,
  };
}

/** Pages by each filter, a walk by cursor, and the peak memory of the api that answered. */
async function readPages(rig: Rig, bench: BenchDatabase, reads: number): Promise<Record<string, number>> {
  const api = await startApi(rig, bench.url);
  const request = requestsTo(api);
  const figures = await measurePages(bench, request, { reads, modes: ['by cursor'] });
  figures[measures.walk] = await walkPages(request, reads);
  figures[measures.apiPeak] = ((await api.peakMemory()) ?? 0) / 1e6;
  await api.stop();
  return figures;
}
