import { fileURLToPath } from 'node:url';
import { createAuditEvent } from '@auditbox/core/event/create-audit-event.ts';
import { writeAuditEvents } from '@auditbox/db/events/write-events.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { type App, spawnProgram } from '@auditbox/testing/servers/spawn-app.ts';
import { openTestDatabase, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import postgres from 'postgres';
import { afterEach, beforeEach, expect, test } from 'vitest';

let db: TestDatabase;
beforeEach(async () => {
  db = await openTestDatabase();
});
afterEach(() => db.close(1_000));

/** Ids in one table without the other, and how many are in both. */
async function tally(): Promise<{ alone: number; both: number }> {
  const [row] = await db.sql<[{ alone: number; both: number }]>`
    select count(*) filter (where a.id is null or o.audit_id is null)::int as alone,
      count(*) filter (where a.id = o.audit_id)::int as both
    from auditbox.audit_log a full join auditbox.outbox o on o.audit_id = a.id`;
  return row;
}

const plainInsert = `
  insert into auditbox.audit_log (occurred_at, changed_by, action, table_name, object_id, updated_values)
  values ('2026-07-03 11:46:50+00', 'cron', 'deleted', 'sessions', '7', '{"n": 1}'), (default, 'cron', 'deleted', 'sessions', '8', null)`;

test('a plain INSERT gets its outbox rows, from any sender', async () => {
  await db.sql.unsafe(plainInsert).simple();
  expect(await tally()).toEqual({ alone: 0, both: 2 });
});

test('a COPY gets its outbox rows too', async () => {
  const copy = await db.sql`copy auditbox.audit_log (changed_by, action, table_name, object_id) from stdin`.writable();
  copy.end('cron\tdeleted\tsessions\t7\ncron\tdeleted\tsessions\t8\n');
  await new Promise((resolve, reject) => copy.once('finish', resolve).once('error', reject));
  expect(await tally()).toEqual({ alone: 0, both: 2 });
});

test("a caller's rollback takes both", async () => {
  const rolledBack = db.sql.begin(async (tx) => {
    await writeAuditEvents(tx, someEvents(3).map(createAuditEvent));
    throw new Error('the business change failed');
  });
  await expect(rolledBack).rejects.toThrow('the business change failed');
  expect(await tally()).toEqual({ alone: 0, both: 0 });
});

test('a savepoint that is rolled back takes both, and the other rows stay', async () => {
  await db.sql.begin(async (tx) => {
    await writeAuditEvents(tx, [createAuditEvent(anEvent())]);
    const undone = tx.savepoint(async (inner) => {
      await writeAuditEvents(inner, [createAuditEvent(anEvent())]);
      throw new Error('undo');
    });
    await expect(undone).rejects.toThrow('undo');
  });
  expect(await tally()).toEqual({ alone: 0, both: 1 });
});

test('a backend that is killed in mid-transaction leaves neither', async () => {
  const writer = postgres(db.url, { max: 1, onnotice: () => {}, fetch_types: false });
  const killed = writer.begin(async (tx) => {
    await writeAuditEvents(tx, someEvents(5).map(createAuditEvent));
    const [{ pid }] = await tx<[{ pid: number }]>`select pg_backend_pid() as pid`;
    await db.sql`select pg_terminate_backend(${pid}, 5000)`;
    await tx`select 1`;
  });
  await expect(killed).rejects.toThrow();
  await writer.end({ timeout: 1 });
  expect(await tally()).toEqual({ alone: 0, both: 0 });
});

test('backends killed at random moments never separate an audit row from its outbox row', async () => {
  let stop = false;
  let written = 0;
  const running = new Set<App>();
  const program = fileURLToPath(new URL('write-until-killed.ts', import.meta.url));
  const write = async () => {
    while (!stop) {
      const app = spawnProgram(process.execPath, [program], { env: { DATABASE_URL: db.url } });
      running.add(app);
      await app.ended;
      running.delete(app);
      written +=
        20 *
        app
          .output()
          .split('\n')
          .filter((line) => line === 'written').length;
    }
  };
  const writers = [write(), write(), write()];
  for (let kills = 0; kills < 200; ) {
    const killed = await db.sql`select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'victim' and datname = current_database() and state = 'active'`;
    kills += killed.length;
  }
  stop = true;
  for (const app of running) app.signal('SIGKILL');
  await Promise.all(writers);
  const { alone, both } = await tally();
  expect(alone).toBe(0);
  expect(both).toBeGreaterThanOrEqual(written);
});

test('without the right to write the outbox, an application still gets its outbox row', async () => {
  await db.sql
    .unsafe(`
    drop role if exists only_audits;
    create role only_audits;
    grant usage on schema auditbox to only_audits;
    grant insert on auditbox.audit_log to only_audits;
    set role only_audits; ${plainInsert}; reset role`)
    .simple();
  expect(await tally()).toEqual({ alone: 0, both: 2 });
  await db.sql.unsafe('drop owned by only_audits; drop role only_audits').simple();
});

test('the outbox holds an upper bound of the bytes of each line', async () => {
  await db.store([
    anEvent({
      changed_by: 'a "quoted" name \\ ☃',
      object_id: 'a\tb',
      updated_values: { text: 'ž'.repeat(1000), none: null },
    }),
    anEvent({ updated_at: '2026-07-03T11:46:50Z', before_value: null }),
  ]);
  const { eventJson } = await import('@auditbox/db/sql/event-json.ts');
  const rows = await db.sql<{ bytes: number; line: string }[]>`
    select o.bytes, ${db.sql.unsafe(eventJson)} as line from auditbox.outbox o join auditbox.audit_log a on a.id = o.audit_id`;
  for (const { bytes, line } of rows) {
    const actual = Buffer.byteLength(`${line}\n`);
    expect(bytes).toBeGreaterThanOrEqual(actual);
    expect(bytes - actual).toBeLessThanOrEqual(7);
  }
});
