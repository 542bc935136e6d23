import postgres, { type Sql } from 'postgres';
import { type BenchmarkResult, createLedger, rotate } from '../figures.ts';
import { names } from '../names.ts';
import { auditTrigger, type CapturePeer, nothing, ourCapture, supaAudit } from '../peers/capture-peers.ts';
import type { BenchDatabase, Rig } from '../rig/rig.ts';
import { countWrites } from '../rig/write-cost.ts';

/** What the capture of a table costs its writes: many rows in one statement, and single rows by key. */

interface Plan {
  readonly turns: number;
  /** Of one bulk statement. */
  readonly rows: number;
  /** Of the single-row updates. */
  readonly seconds: number;
  /** Folder with the SQL of the peers; null measures only ours. */
  readonly peersFolder: string | null;
}

const table = 'public.invoice';
/** Twelve columns, about 330 bytes as JSON. */
const schema = `
  create table ${table} (
    id bigint primary key, customer_id bigint not null, number text not null, state text not null, currency text not null,
    net numeric(14, 2) not null, tax numeric(14, 2) not null, total numeric(14, 2) not null, note text, items jsonb not null,
    created_at timestamptz not null default now(), updated_at timestamptz not null default now()
  )`;
const insertRows = (first: number, last: number) => `
  insert into ${table} (id, customer_id, number, state, currency, net, tax, total, note, items)
  select n, n % 5003, 'INV-2026-' || n, 'open', 'EUR', n % 997, n % 97, n % 997 + n % 97, 'please pay within 30 days',
    jsonb_build_array(jsonb_build_object('sku', 'mug-' || n % 89, 'pieces', n % 7, 'price', '12.50'))
  from generate_series(${first}, ${last}) n`;
/** Rows that single updates choose from. */
const singleRows = 10_000;

export async function capture(rig: Rig, { turns, rows, seconds, peersFolder }: Plan): Promise<BenchmarkResult> {
  const ledger = createLedger();
  const peers = peersFolder === null ? [] : [supaAudit(peersFolder), auditTrigger(peersFolder)];
  const contenders = [nothing, ourCapture, ...peers];
  for (let turn = 0; turn < turns; turn += 1) {
    for (const peer of rotate(contenders, turn)) {
      const note = (condition: string, measures: Readonly<Record<string, number | null>>) => {
        for (const [measure, value] of Object.entries(measures))
          if (value !== null) ledger.add(peer.name, condition, measure, value);
      };
      const { inserted, updated } = await withTable(rig, peer, (db, sql) => measureBulk(rig, db, sql, peer, rows));
      note(names.bulkInsert(rows), inserted);
      note(names.bulkUpdate(rows), updated);
      for (const synchronous of ['off', 'on'] as const) {
        const single = await withTable(rig, peer, (_db, sql) => measureSingle(rig, sql, peer, synchronous, seconds));
        note(names.singleUpdates(synchronous), single);
        rig.say(
          `capture, ${names.singleUpdates(synchronous)}: ${peer.name} ${Math.round(single[names.updateRate] ?? 0)} updates/s`,
        );
      }
    }
  }
  return {
    name: 'capture',
    title: 'Cost of the capture of a table',
    figures: ledger.figures(),
    plotted: names.rowTime,
  };
}

/** A new database, whose table is captured. One connection does the writes. */
async function withTable<T>(rig: Rig, peer: CapturePeer, use: (db: BenchDatabase, sql: Sql) => Promise<T>): Promise<T> {
  const db = await rig.database({ empty: !peer.isOurs });
  const sql = postgres(db.url, { max: 1, onnotice: () => {} });
  try {
    await sql.unsafe(schema);
    await peer.setUp(sql, table);
    return await use(db, sql);
  } finally {
    await sql.end({ timeout: 1 });
    await db.drop();
  }
}

/** Time of all processes of Postgres since the call. Other work on the machine changes it less than the time on the clock. */
async function countCpu(rig: Rig): Promise<(events: number) => Promise<number | null>> {
  const before = await rig.postgresCpuMs();
  return async (events) => {
    const after = await rig.postgresCpuMs();
    return before === null || after === null ? null : ((after - before) * 1000) / events;
  };
}

async function measureBulk(rig: Rig, db: BenchDatabase, sql: Sql, peer: CapturePeer, rows: number) {
  // The first use of a function and of the catalog is not part of the cost of a row.
  await sql.unsafe(insertRows(-100, -1));
  await sql.unsafe(`update ${table} set total = total + 1 where id < 0`);
  const time = async (text: string) => {
    const written = await countWrites(db);
    const cpu = await countCpu(rig);
    const startedAt = performance.now();
    await sql.unsafe(text);
    const ms = performance.now() - startedAt;
    return {
      [names.rowTime]: (ms * 1000) / rows,
      [names.captureCpu]: await cpu(rows),
      'bytes of WAL a row': (await written()).walBytes / rows,
    };
  };
  const inserted = await time(insertRows(1, rows));
  const updated = await time(`update ${table} set total = total + 1, updated_at = now() where id > 0`);
  await expectEvents(sql, peer, 2 * (rows + 100));
  return { inserted, updated };
}

/** Updates a second, by one client that waits for each. */
async function measureSingle(rig: Rig, sql: Sql, peer: CapturePeer, synchronous: 'on' | 'off', seconds: number) {
  await sql.unsafe(insertRows(1, singleRows));
  await sql.unsafe(`set synchronous_commit = ${synchronous}`);
  const update = (n: number) =>
    sql.unsafe(
      `update ${table} set total = total + 1, updated_at = now() where id = $1`,
      [1 + ((n * 7919) % singleRows)],
      { prepare: true },
    );
  const warmUp = 200;
  for (let n = 0; n < warmUp; n += 1) await update(n);
  const cpu = await countCpu(rig);
  const startedAt = performance.now();
  let done = 0;
  for (; performance.now() - startedAt < seconds * 1000; done += 1) await update(done);
  const rate = (done * 1000) / (performance.now() - startedAt);
  const cost = await cpu(done);
  await expectEvents(sql, peer, singleRows + warmUp + done);
  return { [names.updateRate]: rate, [names.captureCpu]: cost } as const;
}

/** Every measurement also checks that each change was recorded, once. */
async function expectEvents(sql: Sql, peer: CapturePeer, expected: number): Promise<void> {
  if (peer.events === null) return;
  const [row] = await sql.unsafe<[{ count: number }]>(`select count(*)::int as count from ${peer.events}`);
  if (row.count !== expected) throw new Error(`${peer.name} recorded ${row.count} changes of ${expected}.`);
}
