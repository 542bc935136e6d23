import { gunzipSync } from 'node:zlib';
import { createAuditEvent } from '@auditbox/core/event/create-audit-event.ts';
import type { LeasedDelivery } from '@auditbox/core/export/delivery.ts';
import { partitionFolder } from '@auditbox/core/export/partition.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { writeAuditEvents } from '@auditbox/db/events/write-events.ts';
import { addDestination } from '@auditbox/db/export/destinations.ts';
import { addHistory } from '@auditbox/db/export/history.ts';
import { auditLogStart, outboxStart, reconcileAuditLog, reconcileOutbox } from '@auditbox/db/export/reconcile.ts';
import { replayFailed } from '@auditbox/db/export/replay-failed.ts';
import { sealBatches } from '@auditbox/db/export/seal-batches.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { openTestDatabase, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import fc from 'fast-check';
import postgres, { type Sql } from 'postgres';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Destination } from '../src/destinations/destination.ts';
import { exportBatch } from '../src/export/export-batch.ts';
import { createLedger } from '../src/export/ledger.ts';
import { createExportMetrics } from '../src/metrics/export-metrics.ts';

/*
 * Random interleavings of writers' transactions with the exporter's steps, on a real Postgres: transactions that stay
 * open, savepoints, rollbacks, prepared transactions, late commits; seals, two at once, attempts that die between any two
 * steps, COPYs that end early, leases that expire under their holder, failures, replays, reconciliations, a destination that
 * is added. In every mix, and at each destination, each committed id ends in exactly one object, under the
 * hour of its event time, and no object is written twice. An exporter with one flaw must break that.
 */

const writers = 3;
const never = new AbortController().signal;
const limits = { grain: 'hour', byTenant: false, maxRows: 3, maxBytes: 1_000_000, lingerMs: 0, maxBatches: 2 } as const;

/** Where an attempt dies, or how its upload ends. */
const fates = [
  'fine',
  'COPY ends early',
  'dies before the PUT',
  'dies after the PUT',
  'refused',
  'overtaken',
  'overtaken at the PUT',
] as const;
type Fate = (typeof fates)[number];

type Step =
  | { readonly do: 'begin' | 'savepoint' | 'undo' | 'commit' | 'rollback' | 'prepare'; readonly writer: number }
  | { readonly do: 'insert'; readonly writer: number; readonly hour: number }
  | { readonly do: 'seal' | 'seal twice at once' | 'replay' | 'reconcile' | 'add destination' }
  | { readonly do: 'attempt'; readonly fate: Fate };

const writer = fc.nat({ max: writers - 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('insert' as const), writer, hour: fc.nat({ max: 2 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('begin', 'savepoint', 'undo', 'commit', 'rollback', 'prepare'),
      writer,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('seal', 'seal', 'seal twice at once', 'replay', 'reconcile', 'add destination'),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('attempt' as const), fate: fc.constantFrom(...fates) }) },
);

interface StoredRows {
  readonly ids: readonly string[];
  readonly writes: number;
}

/** One way in which an exporter can be wrong; ours has none. */
interface Flaw {
  /** Forgets the ids below the greatest one that it saw, as a cursor does. */
  readonly stampsUpToMaximum?: true;
  /** Closes gaps while a transaction can still commit them. */
  readonly closesGapsEarly?: true;
  /** Lets two sealers work at once, and nothing checks their batches. */
  readonly sealsWithoutLock?: true;
  /** Takes the rows that a COPY gave for all of them. */
  readonly countsShortCopyAsWhole?: true;
  /** After a crash it forgets the batch and seals its rows anew. */
  readonly recomposes?: true;
  /** Marks a batch without naming its lease. */
  readonly marksWithoutToken?: true;
  /** Overwrites an existing object. */
  readonly overwrites?: true;
  /** Files by the hour of the export. */
  readonly filesByClock?: true;
}

class Crash extends Error {}

function expectCrash(error: unknown): void {
  if (!(error instanceof Crash)) throw error;
}

/** A store that creates objects or refuses to, and can end an attempt before or after the PUT. */
function createStore(flaw: Flaw) {
  const objects = new Map<string, StoredRows & { sha256: string; objectBytes: number }>();
  const destinationFor = (fate: Fate, onPut: () => Promise<void>): Destination => ({
    prefix: '',
    async put({ key, sha256, body }) {
      if (fate === 'dies before the PUT') throw new Crash();
      if (fate === 'refused')
        return { kind: 'error', class: 'permanent', code: 'EntityTooLarge', message: 'too large', permission: null };
      if (fate === 'overtaken at the PUT') await onPut();
      const lines = gunzipSync(body).toString().trim().split('\n');
      const there = objects.get(key);
      if (there && !flaw.overwrites) return { kind: 'exists' };
      const ids = lines.map((line) => (JSON.parse(line) as { id: string }).id);
      objects.set(key, { ids, sha256, objectBytes: body.length, writes: (there?.writes ?? 0) + 1 });
      if (fate === 'dies after the PUT') throw new Crash();
      return { kind: 'stored' };
    },
    async head(key) {
      const there = objects.get(key);
      if (!there) return { kind: 'missing' };
      const { sha256, ids, objectBytes } = there;
      return { kind: 'found', sha256, rows: String(ids.length), objectBytes };
    },
    async read(key) {
      const there = objects.get(key);
      if (!there) return { kind: 'missing' };
      const { sha256, ids, objectBytes } = there;
      const content = { sha256, rows: ids.length, ndjsonBytes: 0, objectSha256: '0'.repeat(64), objectBytes };
      return { kind: 'read', content };
    },
    probe: async () => ({ kind: 'healthy', key: 'probe', conditional: true, reportsMissing: true }),
    close() {},
  });
  return { objects, destinationFor };
}

/** Writers with one connection each. Their transactions are opened and closed step by step. */
async function createWriters(url: string) {
  const connections = Array.from({ length: writers }, () =>
    postgres(url, { max: 1, fetch_types: false, onnotice: () => {} }),
  );
  const open = connections.map(() => false);
  const prepared = new Set<number>();
  /** Names of prepared transactions belong to the whole server. */
  const nameOf = (at: number) => `'${new URL(url).pathname.slice(1)}_${at}'`;
  const run = async (at: number, statement: string) => void (await (connections[at] as Sql).unsafe(statement).simple());
  return {
    async step(taken: Step) {
      if (!('writer' in taken)) return;
      const at = taken.writer;
      if (taken.do === 'insert') {
        const event = anEvent({ updated_at: `2026-07-03T0${taken.hour}:30:00Z` });
        await writeAuditEvents(connections[at] as Sql, [createAuditEvent(event)]);
      } else if (taken.do === 'prepare' && open[at] && !prepared.has(at)) {
        await run(at, `prepare transaction ${nameOf(at)}`);
        open[at] = false;
        prepared.add(at);
      } else if (taken.do === 'commit' && !open[at] && prepared.delete(at)) {
        await run(at, `commit prepared ${nameOf(at)}`);
      } else if (taken.do === 'begin' && !open[at]) {
        await run(at, 'begin');
        open[at] = true;
      } else if (taken.do === 'savepoint' && open[at]) await run(at, 'savepoint here');
      else if (taken.do === 'undo' && open[at])
        await run(at, 'rollback to here').catch(() => run(at, 'rollback; begin'));
      else if ((taken.do === 'commit' || taken.do === 'rollback') && open[at]) {
        await run(at, taken.do);
        open[at] = false;
      }
    },
    async commitAll() {
      for (const at of connections.keys()) if (open[at]) await run(at, 'commit');
      open.fill(false);
      for (const at of prepared) await run(at, `commit prepared ${nameOf(at)}`);
      prepared.clear();
    },
    close: () => Promise.all(connections.map((connection) => connection.end())),
  };
}

/** An exporter that does one step at a time. */
function createExporter(db: TestDatabase, destinationName: string, flaw: Flaw) {
  const store = createStore(flaw);
  const metrics = createExportMetrics(new Registry(), { lingerMs: 0 });
  const ledger = createLedger(db, destinationName, { leaseMs: 0, backoff: { baseMs: 1, capMs: 1 } });
  const parts = { db, ledger, metrics, compression: 'gzip', isLogged: true } as const;

  async function seal(sealer: Database = db): Promise<number> {
    const { batches, repaired } = await sealBatches(sealer, limits);
    // Other writers of the frontier do not exist here.
    if (repaired) throw new Error('The frontier contradicted the batches.');
    if (flaw.stampsUpToMaximum)
      await db.sql`update auditbox.frontier set gaps = '{}', closing = '{}', closing_xid = null`;
    if (flaw.filesByClock)
      await withoutTrigger(db, 'batch', 'batch_never_changes', "update auditbox.batch set partition = '2026-11-23T12'");
    return batches;
  }

  /** The second begins while the first is not committed. */
  async function sealTwiceAtOnce(): Promise<void> {
    const first = postgres(db.url, { max: 1, fetch_types: false, onnotice: () => {} });
    const sealed = (sql: Sql) => sql`select auditbox.seal('hour', 3, 1000000, 0, 2)`;
    await first`begin`;
    await sealed(first);
    const settled = new AbortController();
    const second = Promise.allSettled([sealed(db.sql)]).finally(() => settled.abort());
    await untilWaiting(db, settled.signal);
    await first`commit`;
    await second;
    await first.end();
  }

  /** The lease expires at once, so that the next attempt can lease the batch of one that died. */
  async function attempt(fate: Fate): Promise<boolean> {
    const delivery = await ledger.lease(null, false);
    if (!delivery) return false;
    const takeOver = async (othersFate: Fate) => {
      const other = await ledger.lease(null, false);
      const destination = store.destinationFor(othersFate, async () => {});
      if (other) await exportBatch({ ...parts, destination }, other, never).catch(expectCrash);
    };
    if (fate === 'overtaken') await takeOver('dies before the PUT');
    const endsEarly = fate === 'COPY ends early';
    const rowCount = endsEarly && flaw.countsShortCopyAsWhole ? 1 : delivery.rowCount;
    try {
      const destination = store.destinationFor(fate, () => takeOver('fine'));
      const reading = endsEarly ? { ...parts, db: cutCopies(db) } : parts;
      const outcome = await exportBatch({ ...reading, destination }, { ...delivery, rowCount }, never);
      if (outcome.kind === 'error') await ledger.fail(delivery, { error: outcome.message, keepRender: true });
      if (outcome.kind === 'lease lost' && flaw.marksWithoutToken) await markWithoutToken(delivery);
    } catch (error) {
      expectCrash(error);
      if (flaw.recomposes) await recompose(delivery);
    }
    return true;
  }

  async function markWithoutToken({ batchId }: LeasedDelivery): Promise<void> {
    await withoutTrigger(
      db,
      'delivery',
      'delivery_changes',
      `update auditbox.delivery set state = 'done', done_at = now(), lease_token = null, leased_until = null
        where batch_id = ${batchId} and sha256 is not null`,
    );
  }

  async function recompose({ batchId }: LeasedDelivery): Promise<void> {
    await db.sql`
      update auditbox.frontier f set gaps = f.gaps + b.outbox_ids from auditbox.batch b where b.id = ${batchId}`;
    await db.sql`delete from auditbox.delivery where batch_id = ${batchId}`;
    await withoutTrigger(db, 'batch', 'batch_never_changes', `delete from auditbox.batch where id = ${batchId}`);
  }

  async function replay(): Promise<void> {
    const failed = await db.sql<{ id: string }[]>`
      select batch_id::text as id from auditbox.delivery where destination = ${destinationName} and state = 'failed'`;
    await replayFailed(db, { destination: destinationName, batchIds: failed.map(({ id }) => id), outboxIds: [] });
  }

  return { store, seal, sealTwiceAtOnce, attempt, replay };
}

/** It must find nothing: the exporter needs no help. */
async function reconcile(db: TestDatabase): Promise<void> {
  const { lostRows } = await reconcileOutbox(db, outboxStart, 1_000);
  const { restoredRows, conflictingRows } = await reconcileAuditLog(db, auditLogStart, 1_000);
  expect({ lostRows, restoredRows, conflictingRows }).toEqual({ lostRows: 0, restoredRows: 0, conflictingRows: 0 });
}

const addedDestination = 'another';

async function addAnother(db: TestDatabase): Promise<void> {
  await addDestination(db, addedDestination);
  let behind: string | null = '0';
  while (behind !== null) {
    const block: { nextBehind: string | null } = await addHistory(db, {
      destination: addedDestination,
      behind,
      maxBatches: 2,
      since: null,
    });
    behind = block.nextBehind;
  }
}

/** Resolves when a statement waits for another session, or at the signal. */
async function untilWaiting({ url }: TestDatabase, signal: AbortSignal): Promise<void> {
  const watcher = postgres(url, { max: 1, fetch_types: false });
  try {
    while (!signal.aborted) {
      const waiting = await watcher`
        select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
      if (waiting.length > 0) return;
    }
  } finally {
    await watcher.end();
  }
}

/**
 * A database whose COPYs end after their first row, without an error. To an exporter that expects one row they look whole, so
 * the statement's own count of the batch must not give the flaw away.
 */
function cutCopies(db: TestDatabase): Database {
  return {
    ...db,
    query: (send) =>
      db.query((sql) => {
        const unsafe: Sql['unsafe'] = (text, ...rest) =>
          sql.unsafe(
            text.replace('where o.ids = 1 and', 'where').replace(/\) to stdout/, ' limit 1) to stdout'),
            ...rest,
          );
        return send(
          new Proxy(sql, { get: (target, name) => (name === 'unsafe' ? unsafe : Reflect.get(target, name)) }),
        );
      }),
  };
}

async function withoutTrigger({ sql }: TestDatabase, table: string, trigger: string, statement: string): Promise<void> {
  await sql
    .unsafe(
      `alter table auditbox.${table} disable trigger ${trigger}; ${statement};
       alter table auditbox.${table} enable always trigger ${trigger}`,
    )
    .simple();
}

/** Changes the statement that seals, for an exporter with a flaw. */
async function spoilSeal({ sql }: TestDatabase, flaw: Flaw): Promise<void> {
  const [seal] = await sql<[{ text: string }]>`select pg_get_functiondef('auditbox.seal'::regproc) as text`;
  const change = async (from: string, to: string) => {
    expect(seal.text).toContain(from);
    await sql.unsafe(seal.text.replaceAll(from, to));
  };
  if (flaw.closesGapsEarly) await change('xmin >= closing_xid', 'true');
  if (flaw.sealsWithoutLock) {
    await change('for update skip locked', '');
    await sql.unsafe('alter table auditbox.batch disable trigger batch_ids_are_in_one_batch');
  }
}

/** What is wrong once all work has ended; nothing for an exporter that keeps its promises. */
async function findWrong(
  db: TestDatabase,
  destination: string,
  objects: ReadonlyMap<string, StoredRows>,
): Promise<string[]> {
  const wrong: string[] = [];
  const committed = await db.sql<{ id: string; hour: string }[]>`
    select id, to_char(occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24') as hour from auditbox.audit_log`;
  for (const { id, hour } of committed) {
    const keys = [...objects].filter(([, { ids }]) => ids.includes(id)).map(([key]) => key);
    if (keys.length !== 1) wrong.push(`${id} is in ${keys.length} objects`);
    if (keys.some((key) => !key.startsWith(partitionFolder(hour)))) wrong.push(`${id} of ${hour} lies in ${keys}`);
  }
  const known = new Set(committed.map(({ id }) => id));
  for (const [key, { ids, writes }] of objects) {
    if (writes > 1) wrong.push(`${key} was written ${writes} times`);
    if (ids.some((id) => !known.has(id))) wrong.push(`${key} holds rows that were never committed`);
  }
  const left = await db.sql`
    select from auditbox.outbox_status where destination = ${destination} and state <> 'done'`;
  if (left.length > 0) wrong.push(`${left.length} rows are left`);
  return wrong;
}

async function play(db: TestDatabase, steps: readonly Step[], flaw: Flaw): Promise<string[]> {
  await db.sql`set client_min_messages to warning`;
  await empty(db);
  const all = await createWriters(db.url);
  try {
    return await playWith(db, all, steps, flaw);
  } finally {
    // Also after an error: a transaction that stays prepared keeps gaps open in the whole server.
    await all.commitAll();
    await all.close();
  }
}

async function playWith(
  db: TestDatabase,
  all: Awaited<ReturnType<typeof createWriters>>,
  steps: readonly Step[],
  flaw: Flaw,
): Promise<string[]> {
  const exporter = createExporter(db, 's3', flaw);
  for (const taken of steps) {
    if (taken.do === 'seal') await exporter.seal();
    else if (taken.do === 'seal twice at once') await exporter.sealTwiceAtOnce();
    else if (taken.do === 'attempt') await exporter.attempt(taken.fate);
    else if (taken.do === 'replay') await exporter.replay();
    else if (taken.do === 'reconcile' && isSound(flaw)) await reconcile(db);
    else if (taken.do === 'add destination') await addAnother(db);
    else await all.step(taken);
  }
  await all.commitAll();
  await exporter.replay();
  while ((await exporter.seal()) > 0);
  while (await exporter.attempt('fine'));
  const wrong = await findWrong(db, 's3', exporter.store.objects);
  if (!isSound(flaw)) return wrong;
  await addAnother(db);
  const another = createExporter(db, addedDestination, {});
  while (await another.attempt('fine'));
  return [...wrong, ...(await findWrong(db, addedDestination, another.store.objects))];
}

function isSound(flaw: Flaw): boolean {
  return Object.keys(flaw).length === 0;
}

async function empty(db: TestDatabase): Promise<void> {
  await withoutTrigger(db, 'audit_log', 'audit_log_append_only', 'delete from auditbox.audit_log');
  await db.sql`delete from auditbox.outbox`;
  await withoutTrigger(db, 'delivery', 'delivery_stays', 'delete from auditbox.delivery');
  await withoutTrigger(db, 'batch', 'batch_never_changes', 'delete from auditbox.batch');
  await db.sql`delete from auditbox.destination where name <> 's3'`;
  await db.sql`
    update auditbox.frontier
    set sealed_up_to = coalesce(pg_sequence_last_value('auditbox.outbox_id_seq'), 0),
      gaps = '{}', closing = '{}', closing_xid = null`;
}

describe('random interleavings of writers and exporters', () => {
  let db: TestDatabase;
  beforeEach(async () => {
    db = await openTestDatabase();
  });
  afterEach(() => db.close(1_000));

  const property = (flaw: Flaw) =>
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60, size: 'max' }), async (steps) => {
      expect(await play(db, steps, flaw)).toEqual([]);
    });

  test('each committed id ends in exactly one object, under its own hour, written once', async () => {
    await fc.assert(property({}), { numRuns: 60, endOnFailure: true });
  });

  test.each([
    ['a mark up to the greatest id seen', { stampsUpToMaximum: true }],
    ['gaps that are closed early', { closesGapsEarly: true }],
    ['two sealers without the lock', { sealsWithoutLock: true }],
    ['a COPY that ended early counted as whole', { countsShortCopyAsWhole: true }],
    ['new batches after a crash', { recomposes: true }],
    ['a mark without the lease token', { marksWithoutToken: true }],
    ['an upload without If-None-Match', { overwrites: true }],
    ['a partition by the clock', { filesByClock: true }],
  ] as const)('an exporter with %s is caught', async (_what, flaw) => {
    await spoilSeal(db, flaw);
    const details = await fc.check(property(flaw), { numRuns: 300, endOnFailure: true });
    expect(details.failed).toBe(true);
  });
});
