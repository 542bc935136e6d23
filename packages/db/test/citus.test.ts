import { randomUUID } from 'node:crypto';
import { createAuditEvent } from '@auditbox/core/event/create-audit-event.ts';
import { allTenants } from '@auditbox/core/keys/tenant-scope.ts';
import { startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { type CitusFixture, citusUrl, openCitusSchema } from '@auditbox/testing/fixtures/citus-fixture.ts';
import { exporterEnv } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { anEvent, type WireEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { createTestBucket } from '@auditbox/testing/servers/bucket.ts';
import { endApps, spawnApp } from '@auditbox/testing/servers/spawn-app.ts';
import postgres, { type Sql } from 'postgres';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { connectDatabase, type Database } from '../src/database/connect.ts';
import { getEvent } from '../src/events/get-event.ts';
import { storeEachEvent } from '../src/events/store-each.ts';
import { storeAuditEvents } from '../src/events/store-events.ts';
import { copyBatchLines } from '../src/export/copy-batch-lines.ts';
import { addDestination, countLeftovers, pauseDestination, removeDestination } from '../src/export/destinations.ts';
import { extendLease } from '../src/export/extend-lease.ts';
import { leaseDelivery } from '../src/export/lease-delivery.ts';
import { markDone } from '../src/export/mark-done.ts';
import { auditLogStart, outboxStart, reconcileAuditLog, reconcileOutbox } from '../src/export/reconcile.ts';
import { recordRender } from '../src/export/record-render.ts';
import { sealBatches } from '../src/export/seal-batches.ts';
import { createFeedEdge } from '../src/queries/feed-edge.ts';
import { findRunningWriters } from '../src/queries/running-writers.ts';

/*
 * A distributed schema of a real Citus cluster, of which TEST_CITUS_URL is the URL of a superuser at the coordinator. Part of
 * what docs/SCALE.md says of Citus.
 */

if (citusUrl === '') console.warn('TEST_CITUS_URL is not set, so NOTHING IS TESTED ON CITUS here.');

const limits = { grain: 'hour', byTenant: false, maxRows: 100, maxBytes: 1e6, lingerMs: 0, maxBatches: 10 } as const;
const origin = { recordedBy: 'key:master', contentHash: '0'.repeat(32), redacted: null } as const;
const toEvent = (event: WireEvent) => {
  const made = createAuditEvent(event);
  return { ...made, id: made.id ?? randomUUID(), origin };
};
type Sent = ReturnType<typeof toEvent>;
const now = () => new Date().toISOString();

describe.skipIf(citusUrl === '')('in a distributed schema of Citus', () => {
  let citus: CitusFixture;
  let admin: Sql;
  let schema: string;
  let db: Database;
  beforeAll(async () => {
    citus = await openCitusSchema();
    ({ admin, schema, db } = citus);
  });
  afterAll(() => citus?.close());
  const onShards: CitusFixture['onShards'] = (table, statement) => citus.onShards(table, statement);
  const moveTo: CitusFixture['moveTo'] = (place) => citus.moveTo(place);

  test('events are stored, alone and together, each once, and read back as they were sent', async () => {
    const at = '2026-07-03T11:44:05.842Z';
    const [one, two, three] = [1, 2, 3].map(() => toEvent(anEvent({ updated_at: at }))) as [Sent, Sent, Sent];
    expect(await storeEachEvent(db, [one])).toMatchObject([{ stored: true, event: { outcome: 'created' } }]);
    expect(await storeEachEvent(db, [two, one])).toMatchObject([
      { stored: true, event: { outcome: 'created' } },
      { stored: true, event: { outcome: 'existing' } },
    ]);
    expect(await storeAuditEvents(db, [one, three])).toMatchObject([{ outcome: 'existing' }, { outcome: 'created' }]);
    const found = await getEvent(db, three.id, allTenants);
    expect(JSON.parse(found?.json ?? '')).toMatchObject({ id: three.id, changed_by: three.changedBy });
    const [rows] = await db.sql`
      select count(*)::int as outbox, count(distinct audit_id)::int as events,
        count(*) filter (where o.recorded_at = a.recorded_at)::int as alike
      from auditbox.outbox o join auditbox.audit_log a on a.id = o.audit_id`;
    expect(rows).toEqual({ outbox: 3, events: 3, alike: 3 });
  });

  test('errors of shards have their names: a month that is missing is made, and a wrong event is refused alone', async () => {
    const old = toEvent(anEvent({ updated_at: '2021-02-03T00:00:00Z' }));
    const future = toEvent(anEvent({ updated_at: new Date(Date.now() + 3_600_000).toISOString() }));
    expect(await storeEachEvent(db, [old])).toMatchObject([{ stored: true }]);
    expect(await storeEachEvent(db, [future, toEvent(anEvent())])).toMatchObject([
      { stored: false, error: { code: 'AUDIT_EVENT_IN_FUTURE' } },
      { stored: true },
    ]);
    const again = { ...toEvent(anEvent()), id: old.id };
    expect(await storeEachEvent(db, [toEvent(anEvent()), again])).toMatchObject([
      { stored: true },
      { stored: true, event: { outcome: 'existing' } },
    ]);
    const other = { ...origin, contentHash: '1'.repeat(32) };
    const taken = { ...toEvent(anEvent({ updated_at: '2021-02-04T00:00:00Z' })), id: old.id, origin: other };
    expect(await storeEachEvent(db, [taken])).toMatchObject([{ stored: false, error: { code: 'AUDIT_CONFLICT' } }]);
  });

  test('the same new id sent twice at once is stored once', async () => {
    const event = toEvent(anEvent({ updated_at: now() }));
    const both = await Promise.all([storeEachEvent(db, [event]), storeEachEvent(db, [event])]);
    expect(both.flat().map((one) => one.stored)).toEqual([true, true]);
    expect(await db.sql`select from auditbox.outbox where audit_id = ${event.id}::uuid`).toHaveLength(1);
  });

  test('rows cannot be changed or removed, by the coordinator and on a shard', async () => {
    for (const [table, column] of [
      ['audit_log', 'action'],
      ['batch', 'partition'],
      ['log_entry', 'entry'],
      ['outbox', 'bytes'],
    ] as const) {
      for (const change of [`update %s set ${column} = ${column}`, 'truncate %s']) {
        const statement = change.replace('%s', `auditbox.${table}`);
        await expect(
          db.query((sql) => sql.unsafe(statement)),
          statement,
        ).rejects.toMatchObject({ code: '42501' });
        for (const shard of await onShards(table, change)) {
          expect(shard, `${change} on a shard of ${table}`).toMatchObject({ success: false });
          expect(shard.result).toMatch(/append-only|is a shard of a distributed table/);
        }
      }
    }
  });

  test('each trigger is there on the shards and always fires', async () => {
    const triggers = `
      select string_agg(tgname || ' ' || tgenabled::text, ', ' order by tgname)
      from pg_trigger where tgrelid = '%s'::regclass and not tgisinternal`;
    for (const table of ['audit_log', 'batch', 'delivery', 'outbox', 'log_entry', 'log_head', 'rejection']) {
      const [ours] = await db.sql<[{ names: string }]>`
        select string_agg(tgname, ' ' order by tgname) as names from pg_trigger
        where tgrelid = ${`${schema}.${table}`}::regclass and not tgisinternal`;
      const [shard] = await onShards(table, triggers);
      expect(shard?.result, table).toContain(' A');
      // Citus adds the number of the shard to the name.
      const names = shard?.result.split(', ').map((one) => one.replace(/(_\d{6,})? A$/, ''));
      expect(names?.join(' '), table).toBe(ours.names);
    }
  });

  test('a delivery is leased, rendered, extended and marked, and the event names its object', async () => {
    const event = toEvent(anEvent({ updated_at: '2026-07-03T11:00:00Z' }));
    await storeAuditEvents(db, [event]);
    await db.sql`insert into auditbox.destination (name) values ('s3') on conflict do nothing`;
    const [row] = await db.sql<[{ id: string; at: Date }]>`
      select id::text, occurred_at as at from auditbox.outbox where audit_id = ${event.id}::uuid`;
    const [made] = await db.sql<[{ id: string }]>`
      insert into auditbox.batch (partition, outbox_ids, row_count, first_occurred_at, last_occurred_at, first_recorded_at)
      values ('2026-07-03T11', int8multirange(int8range(${row.id}::bigint, ${row.id}::bigint, '[]')), 1, ${row.at}, ${row.at}, now())
      returning id::text`;
    await db.sql`insert into auditbox.delivery (destination, batch_id) values ('s3', ${made.id})`;
    const lease = await leaseDelivery(db, { destination: 's3', leaseMs: 60_000, batchIds: null });
    if (lease === null) throw new Error('There is a delivery.');
    expect(lease.batchId).toBe(made.id);
    expect(await leaseDelivery(db, { destination: 's3', leaseMs: 60_000, batchIds: null })).toBeNull();
    const chunks: Buffer[] = [];
    const copied = await copyBatchLines(db, lease, (chunk) => void chunks.push(chunk), new AbortController().signal);
    expect(copied).toEqual({ kind: 'whole', rows: 1 });
    expect(JSON.parse(Buffer.concat(chunks).toString())).toMatchObject({ id: event.id });
    const rendered = {
      key: 'a/b',
      sha256: '0'.repeat(64),
      ndjsonBytes: 1,
      objectBytes: 1,
      linesRoot: null,
      objectSha256: null,
    };
    await recordRender(db, [{ delivery: lease, rendered: rendered as never }], 60_000);
    expect(await extendLease(db, lease, 60_000)).toBe(true);
    expect(await markDone(db, [lease])).toEqual([true]);
    expect((await getEvent(db, event.id, allTenants))?.exported).toMatchObject({ state: 'done', object_key: 'a/b' });
  });

  test('the reconciliation finds nothing to repair', async () => {
    expect(await reconcileOutbox(db, outboxStart, 100)).toMatchObject({ lostRows: 0 });
    expect(await reconcileAuditLog(db, auditLogStart, 100)).toMatchObject({ restoredRows: 0, conflictingRows: 0 });
  });

  test('a schema that moved to another worker keeps its events and its triggers', async () => {
    const before = await db.sql`select count(*) from auditbox.outbox`;
    await moveTo('lowest');
    await moveTo('highest');
    expect(await db.sql`select count(*) from auditbox.outbox`).toEqual(before);
    expect(await storeEachEvent(db, [toEvent(anEvent())])).toMatchObject([{ stored: true }]);
    for (const shard of await onShards('audit_log', 'delete from %s'))
      expect(shard.result).toMatch(/append-only|is a shard of a distributed table/);
    await expect(db.sql`delete from auditbox.audit_log`).rejects.toMatchObject({ code: '42501' });
  });

  test('a poller by event time waits for a transaction that a session of the coordinator has open', async () => {
    await db.sql.begin(async (tx) => {
      await tx`insert into auditbox.audit_log (changed_by, action, table_name, object_id) values ('ana', 'updated', 't', '1')`;
      expect([...(await findRunningWriters(db)).writers]).not.toEqual([]);
    });
    expect([...(await findRunningWriters(db)).writers]).toEqual([]);
  });

  describe('two-phase commits', () => {
    const insert = `insert into auditbox.audit_log (changed_by, action, table_name, object_id) values ('ana', 'updated', 'two phases', '1')`;
    const countEvents = () => db.sql`select from auditbox.audit_log where table_name = 'two phases'`;
    const readSafe = async (readEdge: ReturnType<typeof createFeedEdge>) => (await readEdge())[0].safe;

    test('a transaction of an application cannot be prepared: Citus refuses it, and nothing is stored', async () => {
      const session = postgres(citus.url, { max: 1, onnotice: () => {} });
      try {
        await session.unsafe('begin');
        await session.unsafe(insert.replace('auditbox.', `${schema}.`));
        await expect(session.unsafe(`prepare transaction 'of an application'`)).rejects.toThrow('cannot use 2PC');
        await session.unsafe('rollback');
      } finally {
        await session.end();
      }
      expect(await countEvents()).toHaveLength(0);
    });

    test('what the node has prepared and nobody has committed yet is waited for: by a feed, and by a poller by event time', async () => {
      const readEdge = createFeedEdge(db);
      await readSafe(readEdge);
      const before = await readSafe(readEdge);
      const end = await prepareAtNode(insert);
      try {
        // A later event is visible.
        await insertOne(db.sql);
        await readSafe(readEdge);
        expect(await readSafe(readEdge)).toBe(before);
        expect([...(await findRunningWriters(db)).writers]).toHaveLength(1);
      } finally {
        await end();
      }
      expect(await countEvents()).toHaveLength(1);
      expect((await findRunningWriters(db)).writers.size).toBe(0);
      await readSafe(readEdge);
      expect(await readSafe(readEdge)).toBeGreaterThan(before);
    });

    /** As Citus prepares a transaction of several nodes, with the coordinator gone. Returns what commits it. */
    async function prepareAtNode(statement: string): Promise<() => Promise<void>> {
      const [shard] = await admin<[{ table: string; node: string; port: number }]>`
        select p.logicalrelid::regclass::text || '_' || p.shardid as table, n.nodename as node, n.nodeport as port
        from pg_dist_shard p join pg_dist_placement using (shardid) join pg_dist_node n using (groupid)
        where p.logicalrelid in (select inhrelid from pg_inherits where inhparent = ${`${schema}.audit_log`}::regclass)
          and p.logicalrelid::text like ${`%${new Date().toISOString().slice(0, 7).replace('-', '_')}`}`;
      const url = new URL(citus.url);
      [url.hostname, url.port] = [shard.node, String(shard.port)];
      const worker = postgres(url.href, {
        max: 1,
        onnotice: () => {},
        // The name that Citus gives its connections between nodes.
        connection: { application_name: 'citus_internal gpid=10000000001' },
      });
      await worker.unsafe('begin');
      await worker.unsafe(statement.replace('auditbox.audit_log', shard.table));
      await worker.unsafe(`prepare transaction '${schema}'`);
      return async () => {
        await worker.unsafe(`commit prepared '${schema}'`);
        await worker.end();
      };
    }
  });

  /** Rows in no batch, and rows in two. */
  const findFaults = async () => {
    const lost = await db.sql<{ id: string }[]>`
      select o.id::text from auditbox.outbox o
      where not exists (select 1 from auditbox.batch b where b.outbox_ids @> o.id)`;
    const doubled = await db.sql<{ id: string }[]>`
      select o.id::text from auditbox.outbox o join auditbox.batch b on b.outbox_ids @> o.id
      group by o.id having count(*) > 1`;
    return { lost: lost.length, doubled: doubled.length };
  };

  /** Seals until no gap is left. A test that leaves a transaction open would wait for ever, and fails by its timeout. */
  const sealUntilClosed = async (most: Partial<typeof limits> = {}) => {
    for (;;) {
      // Gaps between the ids of two nodes stay.
      const { looked, batches, more } = await sealBatches(db, { ...limits, ...most });
      const [frontier] = await db.sql<
        [{ isClosed: boolean }]
      >`select isempty(gaps * int8multirange(auditbox.outbox_ids_given())) as "isClosed" from auditbox.frontier`;
      if (looked && batches === 0 && !more && frontier.isClosed) return;
    }
  };
  const insertOne = (sql: (text: TemplateStringsArray) => PromiseLike<unknown>) =>
    sql`insert into auditbox.audit_log (changed_by, action, table_name, object_id) values ('ana', 'updated', 't', '1')`;

  describe('sealing', () => {
    test('rows are sealed, each once', async () => {
      await storeEachEvent(db, [toEvent(anEvent()), toEvent(anEvent())]);
      await sealUntilClosed();
      expect(await findFaults()).toEqual({ lost: 0, doubled: 0 });
    });

    test('a row that commits after a row with a higher id was sealed is a gap until then, however often it is looked up', async () => {
      await db.sql.begin(async (tx) => {
        await insertOne(tx);
        await insertOne(db.sql);
        for (let n = 0; n < 4; n += 1) await sealBatches(db, limits);
        expect(await findFaults()).toEqual({ lost: 0, doubled: 0 });
      });
      await sealUntilClosed();
      expect(await findFaults()).toEqual({ lost: 0, doubled: 0 });
    });

    test('two sealers at once: the second looks at nothing', async () => {
      await insertOne(db.sql);
      await db.sql.begin(async (tx) => {
        await tx`select auditbox.seal_in_steps('hour', 10, 1000000, 0, 10)`;
        expect(await sealBatches(db, limits)).toMatchObject({ looked: false, batches: 0 });
      });
    });

    test('a destination cannot be removed while a seal makes a delivery for it, and can be paused', async () => {
      await addDestination(db, 'soc');
      await insertOne(db.sql);
      const lock = db.sql`select name from auditbox.destination where name = 'soc' for update nowait`;
      await db.sql.begin(async (tx) => {
        await tx`select auditbox.seal_in_steps('hour', 10, 1000000, 0, 10)`;
        await expect(lock).rejects.toMatchObject({ code: '55P03' });
        expect(await pauseDestination(db, 'soc', true)).toBe(true);
      });
      expect(await db.sql`select from auditbox.delivery where destination = 'soc'`).not.toHaveLength(0);
      while ((await removeDestination(db, 'soc', 100)) > 0);
      expect(await countLeftovers(db, 'soc')).toBe(0);
    });

    test('a frontier that contradicts the batches is made anew, and each row stays in one batch', async () => {
      await sealUntilClosed();
      await admin.unsafe(
        `update "${schema}".frontier set sealed_up_to = 0, gaps = '{}', closing = '{}', closing_xid = null`,
      );
      expect(await sealBatches(db, limits)).toMatchObject({ repaired: true });
      await sealUntilClosed();
      expect(await findFaults()).toEqual({ lost: 0, doubled: 0 });
    });

    test('whatever writers and sealers do at once, each row gets into exactly one batch', async () => {
      let state = 20_261_127;
      const random = (below: number) => {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
        return Math.floor((state / 2 ** 32) * below);
      };
      const rest = () => new Promise((resolve) => setTimeout(resolve, random(10)));
      const writing = { isOver: false };
      const sessions = Array.from({ length: 5 }, () => connectDatabase({ ...citus.connection, maxConnections: 1 }));
      const write = async ({ sql }: Database) => {
        for (let n = 0; n < 25; n += 1)
          await sql
            .begin(async (tx) => {
              for (let part = random(3); part >= 0; part -= 1) {
                await insertOne(tx);
                await rest();
              }
              if (random(4) === 0) throw new Error('rolled back');
            })
            .catch((error: Error) => {
              if (error.message !== 'rolled back') throw error;
            });
      };
      const seal = async () => {
        while (!writing.isOver)
          await sealBatches(db, { ...limits, maxRows: 4, maxBatches: 3, lingerMs: random(2) * 20 });
      };
      const sealers = [seal(), seal()];
      await Promise.all(sessions.map(write));
      writing.isOver = true;
      await Promise.all(sealers);
      await sealUntilClosed();
      expect(await findFaults()).toEqual({ lost: 0, doubled: 0 });
      const [sums] = await db.sql`
        select (select count(*) from auditbox.outbox)::int as rows, (select sum(row_count) from auditbox.batch)::int as sealed`;
      expect(sums?.sealed).toBe(sums?.rows);
      await Promise.all(sessions.map((session) => session.close(1_000)));
    });

    test('each sealed batch is leased, encoded and marked, and every event names its object', async () => {
      for (let n = 0; ; n += 1) {
        const lease = await leaseDelivery(db, { destination: 's3', leaseMs: 60_000, batchIds: null });
        if (lease === null) break;
        const copied = await copyBatchLines(db, lease, () => {}, new AbortController().signal);
        expect(copied).toMatchObject({ kind: 'whole' });
        const rendered = {
          sha256: '0'.repeat(64),
          ndjsonBytes: 1,
          objectBytes: 1,
          linesRoot: null,
          objectSha256: null,
        };
        await recordRender(db, [{ delivery: lease, rendered: { key: `k${n}`, ...rendered } as never }], 60_000);
        expect(await markDone(db, [lease])).toEqual([true]);
      }
      const [row] = await db.sql`
        select count(*)::int as waiting from auditbox.outbox_status where state <> 'done' or object_key is null`;
      expect(row).toEqual({ waiting: 0 });
    });
  });

  test('an api stores and finds events, and an exporter drains them, each once', async () => {
    const api = await startApi(citus.url, { DATABASE_SCHEMA: schema });
    const events = Array.from({ length: 30 }, (_, n) => anEvent({ object_id: `whole ${n}` }));
    expect((await api.request('/audit/batch', { body: events })).status).toBe(201);
    for (const event of events.slice(0, 3)) expect((await api.request('/audit', { body: event })).status).toBe(200);
    const bucket = await createTestBucket(inject('s3Endpoint'));
    const env = exporterEnv({ databaseUrl: citus.url, endpoint: inject('s3Endpoint'), bucket: bucket.name });
    const exporter = spawnApp('exporter/src/main.ts', { ...env, ...citus.env, EXPORT_LINGER_MS: '0' }, ['--once']);
    expect(await exporter.ended, exporter.output()).toBe(0);
    const stored = (await bucket.objects()).flatMap((object) => object.events.map(({ id }) => id));
    const own = stored.filter((id) => events.some((event) => event.id === id));
    expect(own.sort()).toEqual(events.map(({ id }) => id).sort());
    expect((await api.request(`/audit/${events[0]?.id}`)).body.export).toMatchObject({ state: 'done' });
    await endApps();
    bucket.client.destroy();
  });

  describe('a feed in the order of recording', () => {
    test('waits for an open transaction', async () => {
      const readEdge = createFeedEdge(db);
      const read = async () => {
        await readEdge();
        const [{ safe, greatest }] = await readEdge();
        return { safe, greatest };
      };
      const { safe: before } = await read();
      let inside = 0n;
      await db.sql.begin(async (tx) => {
        await insertOne(tx);
        await insertOne(db.sql);
        const { safe, greatest } = await read();
        expect(greatest).toBeGreaterThan(before);
        expect(safe).toBe(before);
        const [{ id } = { id: '' }] = await tx<{ id: string }[]>`select max(id)::text as id from auditbox.outbox`;
        inside = BigInt(id);
      });
      const { safe } = await read();
      expect(safe).toBeGreaterThanOrEqual(inside);
    });

    test('has every event once, over moves of the schema to lower and to higher ids, with transactions that commit late', async () => {
      const api = await startApi(citus.url, { DATABASE_SCHEMA: schema });
      const table = `fed ${randomUUID()}`;
      const insert = (sql: Pick<Sql, 'unsafe'>, object: string) =>
        sql.unsafe(
          `insert into "${schema}".audit_log (changed_by, action, table_name, object_id) values ('ana', 'updated', $1, $2)`,
          [table, object],
        );
      const poll = async (cursor: string) => {
        const objects: string[] = [];
        for (let next = cursor; ; ) {
          const query = new URLSearchParams({
            recorded_after: '2026-01-01',
            table_name: table,
            page_size: '3',
            cursor: next,
          });
          const { status, body, text } = await api.request(`/audit?${query}`);
          expect(status, text).toBe(200);
          objects.push(...body.audit_logs.map((event: { object_id: string }) => event.object_id));
          next = body.next_cursor;
          if (body.caught_up) return { objects, cursor: next };
        }
      };
      const seen: string[] = [];
      const late: string[] = [];
      let cursor = '';
      const pollOn = async () => {
        const part = await poll(cursor);
        seen.push(...part.objects);
        cursor = part.cursor;
      };
      const written: string[] = [];
      for (const [round, place] of (['lowest', 'highest', 'lowest', 'highest'] as const).entries()) {
        await moveTo(place);
        for (let n = 0; n < 5; n += 1) {
          await insert(db.sql, `${round}.${n}`);
          written.push(`${round}.${n}`);
        }
        await pollOn();
        await db.sql.begin(async (tx) => {
          await insert(tx, `${round} late`);
          await insert(db.sql, `${round} early`);
          await pollOn();
          late.push(...seen.filter((object) => object === `${round} early`));
        });
        written.push(`${round} late`, `${round} early`);
        await pollOn();
      }
      expect(late, 'passed an open transaction').toEqual([]);
      await expect
        .poll(async () => {
          await pollOn();
          return seen.toSorted();
        })
        .toEqual(written.toSorted());
      const again = await poll('');
      expect(again.objects.toSorted()).toEqual(written.toSorted());
      await endApps();
    });
  });

  test('after a move to lower ids and back, each row is sealed once', async () => {
    await sealUntilClosed();
    await moveTo('lowest');
    for (let n = 0; n < 3; n += 1) {
      await db.sql.begin(async (tx) => {
        await insertOne(tx);
        await insertOne(db.sql);
        for (let calls = 0; calls < 4; calls += 1) await sealBatches(db, limits);
      });
      await sealUntilClosed();
      expect(await findFaults()).toEqual({ lost: 0, doubled: 0 });
    }
    await moveTo('highest');
    await insertOne(db.sql);
    await sealUntilClosed();
    expect(await findFaults()).toEqual({ lost: 0, doubled: 0 });
  });
});
