import { randomBytes, randomUUID } from 'node:crypto';
import { createAuditEvent } from '@auditbox/core/event/create-audit-event.ts';
import { allTenants } from '@auditbox/core/keys/tenant-scope.ts';
import { anEvent, type WireEvent } from '@auditbox/testing/fixtures/test-events.ts';
import postgres, { type Sql } from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectDatabase, type Database } from '../src/database/connect.ts';
import { getEvent } from '../src/events/get-event.ts';
import { storeEachEvent } from '../src/events/store-each.ts';
import { storeAuditEvents } from '../src/events/store-events.ts';
import { copyBatchLines } from '../src/export/copy-batch-lines.ts';
import { extendLease } from '../src/export/extend-lease.ts';
import { leaseDelivery } from '../src/export/lease-delivery.ts';
import { markDone } from '../src/export/mark-done.ts';
import { auditLogStart, outboxStart, reconcileAuditLog, reconcileOutbox } from '../src/export/reconcile.ts';
import { recordRender } from '../src/export/record-render.ts';
import { sealBatches } from '../src/export/seal-batches.ts';
import { migrateDatabase } from '../src/migrate/migrate.ts';
import { createFeedEdge } from '../src/queries/feed-edge.ts';
import { findRunningWriters } from '../src/queries/running-writers.ts';

/*
 * A distributed schema of a real Citus cluster, of which TEST_CITUS_URL is the URL of a superuser at the coordinator. Part of
 * what docs/SCALE.md says of Citus. What does not work yet is tested too, so that the page is changed when it does.
 */

const url = process.env.TEST_CITUS_URL ?? '';
if (url === '') console.warn('TEST_CITUS_URL is not set, so NOTHING IS TESTED ON CITUS here.');

const schema = `cell_${randomBytes(4).toString('hex')}`;
const limits = { grain: 'hour', byTenant: false, maxRows: 100, maxBytes: 1e6, lingerMs: 0, maxBatches: 10 } as const;
const origin = { recordedBy: 'key:master', contentHash: '0'.repeat(32), redacted: null } as const;
const toEvent = (event: WireEvent) => {
  const made = createAuditEvent(event);
  return { ...made, id: made.id ?? randomUUID(), origin };
};
type Sent = ReturnType<typeof toEvent>;
const now = () => new Date().toISOString();

describe.skipIf(url === '')('in a distributed schema of Citus', () => {
  let admin: Sql;
  let db: Database;
  beforeAll(async () => {
    admin = postgres(url, { max: 1, onnotice: () => {} });
    const { password, pathname } = new URL(url);
    const database = pathname.slice(1);
    // Citus logs in to the workers as the role that sends a statement, so the owner of the schema must be able to log in.
    await admin.unsafe(
      `create role ${schema} login ${password === '' ? '' : `password '${decodeURIComponent(password)}'`}`,
    );
    await admin.unsafe(`grant create on database "${database}" to ${schema}`);
    await admin.unsafe(`alter database "${database}" set citus.enable_unsafe_triggers = on`);
    const own = new URL(url);
    own.username = schema;
    await migrateDatabase(own.href, { schema });
    await admin.end();
    // A session that began before does not have the setting.
    admin = postgres(url, { max: 1, onnotice: () => {} });
    await admin`select citus_schema_distribute(${schema})`;
    db = connectDatabase({ url: own.href, schema, application: 'test', maxConnections: 4, statementTimeoutMs: 20_000 });
  });
  afterAll(async () => {
    await db?.close(1_000);
    await admin?.unsafe(`drop schema if exists ${schema} cascade`);
    await admin?.unsafe(`drop owned by ${schema} cascade`);
    await admin?.unsafe(`drop role ${schema}`);
    await admin?.end();
  });

  /** The answer of each shard of a table to a statement, in which %s is the shard. */
  const onShards = (table: string, statement: string) =>
    admin<{ success: boolean; result: string }[]>`
      select success, result from run_command_on_placements(${`${schema}.${table}`}::regclass, ${statement})`;

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
    const [at] = await admin<[{ node: string; port: number }]>`
      select nodename as node, nodeport as port from citus_shards where table_name = ${`${schema}.outbox`}::regclass`;
    const [other] = await admin<{ node: string; port: number }[]>`
      select nodename as node, nodeport as port from pg_dist_node
      where shouldhaveshards and noderole = 'primary' and (nodename, nodeport) <> (${at.node}, ${at.port})`;
    if (other === undefined) throw new Error('TEST_CITUS_URL must lead to a cluster with two workers.');
    const before = await db.sql`select count(*) from auditbox.outbox`;
    await admin`select citus_schema_move(${schema}::regnamespace, ${other.node}, ${other.port}, 'block_writes')`;
    expect(await db.sql`select count(*) from auditbox.outbox`).toEqual(before);
    expect(await storeEachEvent(db, [toEvent(anEvent())])).toMatchObject([{ stored: true }]);
    for (const shard of await onShards('audit_log', 'delete from %s'))
      expect(shard.result).toMatch(/append-only|is a shard of a distributed table/);
    await expect(db.sql`delete from auditbox.audit_log`).rejects.toMatchObject({ code: '42501' });
  });

  test('a poller by event time waits for a transaction that a session of the coordinator has open', async () => {
    await db.sql.begin(async (tx) => {
      await tx`insert into auditbox.audit_log (changed_by, action, table_name, object_id) values ('ana', 'updated', 't', '1')`;
      expect([...(await findRunningWriters(db)).writers]).toHaveLength(1);
    });
  });

  describe('what does not work yet', () => {
    test('rows are not sealed, so nothing is exported', async () => {
      await expect(sealBatches(db, limits)).rejects.toMatchObject({ code: '0A000' });
    });

    test('a feed in the order of recording does not wait for an open transaction', async () => {
      const readEdge = createFeedEdge(db);
      await db.sql.begin(async (tx) => {
        await tx`insert into auditbox.audit_log (changed_by, action, table_name, object_id) values ('ana', 'updated', 't', '1')`;
        // With one Postgres, an event that others record now waits behind the open transaction.
        const [{ id } = { id: '' }] = await db.sql<{ id: string }[]>`select max(id)::text as id from auditbox.outbox`;
        expect((await readEdge()).safe).toBe(BigInt(id));
      });
    });
  });
});
