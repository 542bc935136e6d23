import { gunzipSync } from 'node:zlib';
import { createAuditEvent } from '@auditbox/core/event/create-audit-event.ts';
import type { LeasedBatch } from '@auditbox/core/export/batch.ts';
import { partitionFolder } from '@auditbox/core/export/partition.ts';
import { writeAuditEvents } from '@auditbox/db/events/write-events.ts';
import { failBatch } from '@auditbox/db/export/fail-batch.ts';
import { leaseBatch } from '@auditbox/db/export/lease-batch.ts';
import { pruneOutbox } from '@auditbox/db/export/prune-outbox.ts';
import { replayFailed } from '@auditbox/db/export/replay-failed.ts';
import { type SealRange, sealBatches } from '@auditbox/db/export/seal-batches.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { openTestDatabase, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import fc from 'fast-check';
import postgres, { type Sql } from 'postgres';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Destination } from '../src/destinations/destination.ts';
import { exportBatch } from '../src/export/export-batch.ts';
import { createLedger } from '../src/export/ledger.ts';
import { createExportMetrics } from '../src/metrics/export-metrics.ts';

/*
 * Random interleavings of writers' transactions with the exporter's steps, on a real Postgres: transactions that stay
 * open, savepoints, rollbacks, late commits; seals, attempts that die between any two steps, leases that expire under
 * their holder, failures, replays, restarts, prunes. In every mix, each committed id ends in exactly one object, under the
 * hour of its event time, and no object is written twice. An exporter with one flaw must break that.
 */

const writers = 3;
const never = new AbortController().signal;
const limits = { grain: 'hour', maxRows: 3, maxBytes: 1_000_000, lingerMs: 0, maxBatches: 2 } as const;

/** Where an attempt dies, or how its upload ends. */
const fates = [
  'fine',
  'dies before the PUT',
  'dies after the PUT',
  'refused',
  'overtaken',
  'overtaken at the PUT',
] as const;
type Fate = (typeof fates)[number];

type Step =
  | { readonly do: 'begin' | 'savepoint' | 'undo' | 'commit' | 'rollback'; readonly writer: number }
  | { readonly do: 'insert'; readonly writer: number; readonly hour: number }
  | { readonly do: 'seal' | 'replay' | 'restart' | 'prune' }
  | { readonly do: 'attempt'; readonly fate: Fate };

const writer = fc.nat({ max: writers - 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('insert' as const), writer, hour: fc.nat({ max: 2 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom('begin', 'savepoint', 'undo', 'commit', 'rollback'), writer }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('seal', 'seal', 'replay', 'restart', 'prune') }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('attempt' as const), fate: fc.constantFrom(...fates) }) },
);

interface StoredRows {
  readonly ids: readonly string[];
  readonly writes: number;
}

/** One way in which an exporter can be wrong; ours has none. */
interface Flaw {
  /** Reads only ids above the last one that it saw, as a cursor does. */
  readonly idCursor?: true;
  /** After a crash it takes the rows out of the batch and makes new batches. */
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
      return { kind: 'read', content: { sha256: there.sha256, rows: there.ids.length } };
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
  const run = async (at: number, statement: string) => void (await (connections[at] as Sql).unsafe(statement).simple());
  return {
    async step(taken: Step) {
      if (!('writer' in taken)) return;
      const at = taken.writer;
      if (taken.do === 'insert') {
        const event = anEvent({ updated_at: `2026-07-03T0${taken.hour}:30:00Z` });
        await writeAuditEvents(connections[at] as Sql, [createAuditEvent(event)]);
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
    },
    close: () => Promise.all(connections.map((connection) => connection.end())),
  };
}

/** An exporter that does one step at a time. */
function createExporter(db: TestDatabase, flaw: Flaw) {
  const store = createStore(flaw);
  let cursor = '0';
  let hint = '0';
  const metrics = createExportMetrics(new Registry(), { lingerMs: 0 });
  const ledger = createLedger(db, { leaseMs: 0, backoff: { baseMs: 1, capMs: 1 } });
  const parts = { db, ledger, metrics };

  async function seal(): Promise<number> {
    const range: SealRange = { after: flaw.idCursor ? cursor : hint };
    const { batches, seenUpTo } = await sealBatches(db, limits, range);
    hint = seenUpTo;
    if (flaw.idCursor) {
      const [row] = await db.sql<
        { id: string }[]
      >`select coalesce(max(id), 0)::text as id from outbox where batch_id is not null`;
      cursor = row?.id ?? '0';
    }
    if (flaw.filesByClock)
      await db.sql`update export_batch set partition = '2026-11-23T12' where state = 'sealed' and sha256 is null`;
    return batches;
  }

  /** The lease expires at once, so that the next attempt can lease the batch of one that died. */
  async function attempt(fate: Fate): Promise<boolean> {
    const batch = await leaseBatch(db, 0);
    if (!batch) return false;
    const takeOver = async (othersFate: Fate) => {
      const other = await leaseBatch(db, 0);
      const destination = store.destinationFor(othersFate, async () => {});
      if (other) await exportBatch({ ...parts, destination }, other, never).catch(expectCrash);
    };
    if (fate === 'overtaken') await takeOver('dies before the PUT');
    try {
      const destination = store.destinationFor(fate, () => takeOver('fine'));
      const outcome = await exportBatch({ ...parts, destination }, batch, never);
      if (outcome.kind === 'error') await failBatch(db, batch, { error: outcome.message, keepRender: true });
      if (outcome.kind === 'lease lost' && flaw.marksWithoutToken) await markWithoutToken(batch);
    } catch (error) {
      expectCrash(error);
      if (flaw.recomposes) await recompose(batch);
    }
    return true;
  }

  async function markWithoutToken({ id }: LeasedBatch): Promise<void> {
    await db.sql`update export_batch set state = 'done', exported_at = clock_timestamp(), lease_token = null, leased_until = null where id = ${id}`;
  }

  async function recompose({ id }: LeasedBatch): Promise<void> {
    await db.sql`update outbox set batch_id = null where batch_id = ${id}`;
    await db.sql`delete from export_batch where id = ${id}`;
  }

  async function replay(): Promise<void> {
    const failed = await db.sql<{ id: string }[]>`select id::text from export_batch where state = 'failed'`;
    await replayFailed(db, { batchIds: failed.map(({ id }) => id), outboxIds: [] });
  }

  /** A process that starts, or sweeps, reads everything again. */
  function restart(): void {
    hint = '0';
  }

  async function prune(): Promise<void> {
    while ((await pruneOutbox(db, 0, 2)) > 0);
  }

  return { store, seal, attempt, replay, restart, prune };
}

/** What is wrong once all work has ended; nothing for an exporter that keeps its promises. */
async function findWrong(db: TestDatabase, objects: ReadonlyMap<string, StoredRows>): Promise<string[]> {
  const wrong: string[] = [];
  const committed = await db.sql<{ id: string; hour: string }[]>`
    select id, to_char(occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24') as hour from audit_log`;
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
  const states = Object.keys(await db.states()).filter((state) => state !== 'done');
  if (states.length > 0) wrong.push(`left in ${states}`);
  return wrong;
}

async function play(db: TestDatabase, steps: readonly Step[], flaw: Flaw): Promise<string[]> {
  await db.sql`set client_min_messages to warning`;
  await db.sql
    .unsafe(
      'alter table auditbox.audit_log disable trigger user; delete from auditbox.audit_log; delete from outbox; delete from export_batch; alter table audit_log enable trigger user',
    )
    .simple();
  const all = await createWriters(db.url);
  const exporter = createExporter(db, flaw);
  for (const taken of steps) {
    if (taken.do === 'seal') await exporter.seal();
    else if (taken.do === 'attempt') await exporter.attempt(taken.fate);
    else if (taken.do === 'replay') await exporter.replay();
    else if (taken.do === 'restart') exporter.restart();
    else if (taken.do === 'prune') await exporter.prune();
    else await all.step(taken);
  }
  await all.commitAll();
  await all.close();
  await exporter.replay();
  exporter.restart();
  while ((await exporter.seal()) > 0);
  while (await exporter.attempt('fine'));
  return findWrong(db, exporter.store.objects);
}

describe('random interleavings of writers and exporters', () => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await openTestDatabase();
  });
  afterAll(() => db.close(1_000));

  const property = (flaw: Flaw) =>
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60, size: 'max' }), async (steps) => {
      expect(await play(db, steps, flaw)).toEqual([]);
    });

  test('each committed id ends in exactly one object, under its own hour, written once', async () => {
    await fc.assert(property({}), { numRuns: 60, endOnFailure: true });
  });

  test.each([
    ['an id cursor instead of row state', { idCursor: true }],
    ['new batches after a crash', { recomposes: true }],
    ['a mark without the lease token', { marksWithoutToken: true }],
    ['an upload without If-None-Match', { overwrites: true }],
    ['a partition by the clock', { filesByClock: true }],
  ] as const)('an exporter with %s is caught', async (_what, flaw) => {
    const details = await fc.check(property(flaw), { numRuns: 300, endOnFailure: true });
    expect(details.failed).toBe(true);
  });
});
