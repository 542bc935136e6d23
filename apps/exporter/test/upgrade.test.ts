import { createHash, randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { partitionFolder } from '@auditbox/core/export/partition.ts';
import { connectDatabase, type Database } from '@auditbox/db/database/connect.ts';
import { migrateDatabase } from '@auditbox/db/migrate/migrate.ts';
import { readMigrations } from '@auditbox/db/migrate/migrations.ts';
import { expectExactlyOnce } from '@auditbox/testing/expectations/expect-exactly-once.ts';
import { startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { createExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import type { TestBucket } from '@auditbox/testing/servers/bucket.ts';
import { startOwnPostgres } from '@auditbox/testing/servers/own-postgres.ts';
import { createTemplate, createTestDatabase } from '@auditbox/testing/servers/template-database.ts';
import { migrateWithRoles, urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { expect, inject, test } from 'vitest';

/** The last migration of the first version that anybody installed. */
const firstVersion = '0009_sessions';

/** As the first version sealed. */
const sealAsBefore = (db: Database) => db.sql`select auditbox.seal('hour', 10, 1000000, 0, 10)`;

/** What the exporter of the first version did with sealed batches. */
async function exportAsBefore({ sql }: Database, { client, name }: TestBucket): Promise<void> {
  const batches = await sql<{ id: string; partition: string; lines: string[] }[]>`
    select b.id::text, b.partition, json_agg('{"id":"' || a.id::text || '","updated_at":"'
      || to_char(a.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') || '"}') as lines
    from auditbox.batch b join auditbox.outbox o on b.outbox_ids @> o.id join auditbox.audit_log a on a.id = o.audit_id
    group by b.id`;
  for (const { id, partition, lines } of batches) {
    const text = lines.map((line) => `${line}\n`).join('');
    const sha256 = createHash('sha256').update(text).digest('hex');
    const key = `audit_logs/${partitionFolder(partition)}/0000_${id}_${sha256.slice(0, 12)}.ndjson.gz`;
    const Metadata = { sha256, rows: String(lines.length) };
    await client.send(new PutObjectCommand({ Bucket: name, Key: key, Body: gzipSync(text), Metadata }));
    await sql`
      update auditbox.delivery set state = 'sending', lease_token = gen_random_uuid(), leased_until = now()
      where batch_id = ${id}`;
    await sql`
      update auditbox.delivery set sha256 = ${sha256}, object_key = ${key}, ndjson_bytes = ${text.length},
        object_bytes = ${gzipSync(text).length}
      where batch_id = ${id}`;
    await sql`
      update auditbox.delivery set state = 'done', lease_token = null, leased_until = null, done_at = now()
      where batch_id = ${id}`;
  }
}

test('a database of the first version, with rows in every table, is upgraded; all is exported once and readable', async () => {
  // The doctor reports the server that tests share, because it does not flush.
  const server = await startOwnPostgres();
  await createTemplate(server.url, migrateWithRoles);
  const rig = await createExporterFixture(server.url);
  const url = await createTestDatabase(server.url, { empty: true });
  const settings = { DATABASE_URL: urlAs('exporter', url) };
  const all = readMigrations();
  const first = all.slice(0, all.findIndex(({ tag }) => tag === firstVersion) + 1);
  await migrateDatabase(url, { migrations: first });
  const db = connectDatabase({ url, application: 'test', maxConnections: 2, statementTimeoutMs: 20_000 });
  // Who had roles has them after the upgrade, with the rights of today: the processes below run as their members.
  await db.sql`grant select on auditbox.audit_log to auditbox_api`;
  const ids: string[] = [];
  const store = async (rows: number, updated_at: string) => {
    for (let row = 0; row < rows; row += 1) {
      const id = randomUUID();
      ids.push(id);
      await db.sql`select auditbox.make_month(${updated_at}::timestamptz)`;
      await db.sql`
        insert into auditbox.audit_log (id, occurred_at, changed_by, action, table_name, object_id, updated_values)
        values (${id}, ${updated_at}, 'ana', 'updated', 'teams', '42', '{"max_budget":25.50}')`;
    }
  };

  // Done, with objects in the bucket.
  await store(6, '2026-07-03T01:00:00Z');
  await store(3, '2024-02-29T23:59:59Z');
  await sealAsBefore(db);
  await exportAsBefore(db, rig.bucket);
  // Sealed, failed, and one whose exporter died after it had rejected a row.
  await store(4, '2026-07-04T01:00:00Z');
  await store(4, '2026-07-04T02:00:00Z');
  await store(4, '2026-07-04T03:00:00Z');
  await sealAsBefore(db);
  await db.sql
    .unsafe(`
      update auditbox.delivery set state = 'sending', lease_token = gen_random_uuid(), leased_until = now()
      where batch_id in (select id from auditbox.batch where partition in ('2026-07-04T01', '2026-07-04T02'));
      insert into auditbox.rejection (destination, outbox_id, batch_id, audit_id, occurred_at, reason)
      select 's3', o.id, b.id, o.audit_id, o.occurred_at, 'damaged'
      from auditbox.batch b join auditbox.outbox o on o.id = lower(b.outbox_ids) where b.partition = '2026-07-04T01';
      update auditbox.delivery
      set state = 'failed', lease_token = null, leased_until = null, last_error = 'refused'
      where batch_id in (select id from auditbox.batch where partition = '2026-07-04T02');
      insert into auditbox.api_key (name, key_hash, scopes) values ('old', repeat('0', 64), '{read}');
      insert into auditbox.destination (name, is_paused) values ('elsewhere', true)`)
    .simple();
  // Pending.
  await store(5, '2026-07-05T01:00:00Z');

  await migrateDatabase(url);
  expect(await rig.start(['--once'], settings).ended).toBe(2);
  expect(await rig.start(['--replay-failed'], settings).ended).toBe(0);
  await expectExactlyOnce(rig.bucket, ids);
  const doctor = rig.start(['--doctor'], settings);
  expect(await doctor.ended, doctor.output()).toBe(0);

  const api = await startApi(urlAs('api', url));
  const { body } = await api.request('/audit?page_size=100');
  expect(body.audit_logs.map(({ id }: { id: string }) => id).sort()).toEqual([...ids].sort());
  for (const id of [ids[0], ids.at(-1)]) {
    const { body: event } = await api.request(`/audit/${id}`);
    expect(event.id).toBe(id);
  }
  await db.close(1_000);
  await rig.close();
  await server.close();
});

/** UPGRADE_EVENTS: how many events the old database has. A run with it prints its times. */
const events = Number(process.env.UPGRADE_EVENTS ?? 30_000);

test('an upgrade with many events says what each step locks, and no writer waits longer than the deadline of the api', async () => {
  const url = await createTestDatabase(inject('databaseServer'), { empty: true });
  const all = readMigrations();
  await migrateDatabase(url, { migrations: all.slice(0, all.findIndex(({ tag }) => tag === firstVersion) + 1) });
  const db = connectDatabase({ url, application: 'test', maxConnections: 2, statementTimeoutMs: 120_000 });
  await db.sql`
    insert into auditbox.audit_log (changed_by, action, table_name, object_id, updated_values)
    select 'ana', 'updated', 'teams', n::text, '{"max_budget":25.50}' from generate_series(1, ${events}) n`;
  const began = performance.now();
  let longestMs = 0;
  let written = 0;
  let isOver = false;
  const write = async () => {
    for (; !isOver; written += 1) {
      const start = performance.now();
      await db.sql`
        insert into auditbox.audit_log (changed_by, action, table_name, object_id) values ('ana', 'created', 'teams', '1')`;
      longestMs = Math.max(longestMs, performance.now() - start);
    }
  };
  const writing = write();
  const printed: string[] = [];
  await migrateDatabase(url, { report: (line) => void printed.push(line) }).finally(() => {
    isOver = true;
  });
  await writing;
  const seconds = (performance.now() - began) / 1_000;
  if (process.env.UPGRADE_EVENTS)
    console.log(
      `${events} events: ${seconds.toFixed(1)} s, longest write ${longestMs.toFixed(0)} ms, ${written} writes`,
    );
  const names = all.map(({ tag }) => tag).filter((tag) => tag > firstVersion);
  expect(printed[0]).toMatch(/^\d+ migrations to apply in the schema auditbox:$/);
  for (const name of names) expect(printed.filter((line) => line.includes(name))).not.toEqual([]);
  expect(printed.join('\n')).toContain('writers wait until the index is built');
  expect(longestMs).toBeLessThan(15_000);
  expect(await db.sql`select count(*)::int from auditbox.audit_log`).toEqual([{ count: events + written }]);
  await db.close(1_000);
});
