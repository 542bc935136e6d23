import { connectDatabase } from '@auditbox/db/database/connect.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { expectExactlyOnce } from '@auditbox/testing/expectations/expect-exactly-once.ts';
import { masterKey } from '@auditbox/testing/fixtures/api-fixture.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { lockAuditLog } from '@auditbox/testing/fixtures/lock-audit-log.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { hasPgBouncer, type OwnPgBouncer, startOwnPgBouncer } from '@auditbox/testing/servers/own-pgbouncer.ts';
import { spawnApp } from '@auditbox/testing/servers/spawn-app.ts';
import postgres from 'postgres';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

/* Apis and exporters behind a real PgBouncer, set up as in docs/pgbouncer.ini, with a pool of five for each. */

describe.skipIf(!hasPgBouncer)('behind PgBouncer in transaction mode (needs pgbouncer)', () => {
  let rig: ExporterFixture;
  let bouncer: OwnPgBouncer;
  beforeEach(async () => {
    rig = await createExporterFixture();
    bouncer = await startOwnPgBouncer(rig.db.url, { poolSize: 5 });
  });
  afterEach(async () => {
    await rig.close();
    await bouncer.close();
  });

  type Ask = (path: string, body?: unknown) => Promise<Response>;

  async function startApi(): Promise<Ask> {
    const env = { DATABASE_URL: bouncer.urlOf('auditbox_api'), PORT: '0', AUDIT_MASTER_KEY: masterKey };
    const { port } = await spawnApp('api/src/main.ts', env).event('api-listening');
    const headers = { authorization: `Bearer ${masterKey}`, 'content-type': 'application/json' };
    return (path, body) =>
      fetch(`http://127.0.0.1:${port}${path}`, {
        headers,
        ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
      });
  }

  /** Forty writers, half of them with batches, until told to stop. Resolves to the acknowledged events. */
  async function write(asks: readonly Ask[], stop: AbortSignal): Promise<string[]> {
    const writers = Array.from({ length: 40 }, async (_, writer) => {
      const ask = asks[writer % asks.length] as Ask;
      const ids: string[] = [];
      while (!stop.aborted) {
        const events = someEvents(writer < 20 ? 1 : 5);
        const send = () => (writer < 20 ? ask('/audit', events[0]) : ask('/audit/batch', events));
        let { status } = await send();
        // A request that waits too long for a connection is sent again, and may have been stored.
        while (status === 503) ({ status } = await send());
        expect([200, 201]).toContain(status);
        ids.push(...events.map(({ id }) => id));
      }
      return ids;
    });
    return (await Promise.all(writers)).flat();
  }

  /** All ids of a list, read page by page. */
  async function readList(ask: Ask, query: string): Promise<string[]> {
    const ids: string[] = [];
    for (let cursor = ''; ; ) {
      const answer = await ask(`/audit?${query}&page_size=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
      expect(answer.status).toBe(200);
      const { audit_logs, next_cursor } = (await answer.json()) as {
        audit_logs: { id: string }[];
        next_cursor: string;
      };
      ids.push(...audit_logs.map(({ id }) => id));
      if (audit_logs.length === 0) return ids;
      cursor = next_cursor;
    }
  }

  test('with many writers, two apis and killed exporters, each event is in one object, once', async () => {
    const asks = [await startApi(), await startApi()];
    const settings = {
      DATABASE_URL: bouncer.urlOf('auditbox_exporter'),
      EXPORT_BATCH_MAX_ROWS: '200',
      EXPORT_LEASE_MS: '2000',
      S3_REQUEST_TIMEOUT_MS: '1000',
    };
    const stop = new AbortController();
    const written = write(asks, stop.signal);
    for (let kills = 0; kills < 3; kills += 1) {
      const exporter = rig.start([], settings);
      await exporter.event('batch-exported');
      exporter.signal('SIGKILL');
      expect(await exporter.ended).toBe('SIGKILL');
    }
    stop.abort();
    const ids = await written;
    rig.start([], settings);
    await eventually(async () => expect(await rig.db.states()).toEqual({ done: ids.length }));
    await expectExactlyOnce(rig.bucket, ids);
  });

  test('concurrent statements with and without parameters are all answered', async () => {
    const db = connectDatabase({
      url: bouncer.urlOf('auditbox_exporter'),
      application: 'test',
      maxConnections: 10,
      statementTimeoutMs: 5_000,
    });
    const asked = Array.from({ length: 400 }, (_, number) =>
      db.query((sql) => (number % 2 === 0 ? sql`select 'even' as answer` : sql`select ${`${number}`}::text as answer`)),
    );
    const answers = (await Promise.all(asked)).map(([row]) => row?.answer);
    await db.close(1_000);
    expect(answers).toEqual(answers.map((_, number) => (number % 2 === 0 ? 'even' : `${number}`)));
  });

  test('sessions of exporters have the same settings as without PgBouncer', async () => {
    const asked = { application: 'test', maxConnections: 1, statementTimeoutMs: 30_000, avoidSeqScans: true };
    const settingsAt = async (url: string) => {
      const db = connectDatabase({ ...asked, url });
      const settings = await db.query(
        (sql) => sql`
          select name, setting from pg_settings
          where name in ('statement_timeout', 'idle_in_transaction_session_timeout', 'synchronous_commit',
            'default_transaction_isolation', 'TimeZone', 'enable_seqscan', 'jit') order by name`,
      );
      await db.close(1_000);
      return [...settings];
    };
    const direct = await settingsAt(rig.db.url);
    expect(direct).toHaveLength(7);
    expect(await settingsAt(bouncer.urlOf('auditbox_exporter'))).toEqual(direct);
  });

  test('lists, exports, the feed of recorded events and the state of an export are answered', async () => {
    const ask = await startApi();
    const events = someEvents(250);
    const ids = events.map(({ id }) => id).sort();
    expect((await ask('/audit/batch', events)).status).toBe(201);
    await eventually(async () => {
      expect((await readList(ask, 'recorded_after=2026-01-01')).sort()).toEqual(ids);
    });
    expect(await (await ask('/audit?page=3&page_size=100')).json()).toMatchObject({ total: 250, total_pages: 3 });
    const lines = (await (await ask('/audit/export?format=ndjson')).text()).trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { id: string }).id).sort()).toEqual(ids);
    await rig.drain({ DATABASE_URL: bouncer.urlOf('auditbox_exporter') });
    expect(await (await ask(`/audit/${ids[0]}`)).json()).toMatchObject({ export: { state: 'done' } });
    await expectExactlyOnce(rig.bucket, ids);
  });

  test('a write that waits too long is ended by Postgres at its deadline, and later writes work', async () => {
    const ask = await startApi();
    const unlock = await lockAuditLog(rig.db);
    const events = [anEvent(), anEvent()];
    const statuses = Promise.all(events.map(async (event) => (await ask('/audit', event)).status));
    expect(await statuses).toEqual([503, 503]);
    // The api's deadline alone would leave the statement in Postgres, waiting for the lock.
    expect(
      await rig.db.sql`select from pg_locks where not granted and database = (
      select oid from pg_database where datname = current_database())`,
    ).toEqual([]);
    await unlock();
    expect(await rig.db.states()).toEqual({});
    expect((await ask('/audit', events[0])).status).toBe(201);
  });

  test('auditbox.as() names the actor of one transaction alone, when clients share one connection', async () => {
    const single = await startOwnPgBouncer(rig.db.url, { poolSize: 1 });
    const clients = [1, 2].map(() =>
      postgres(single.urlOf('auditbox_api'), { max: 1, fetch_types: false, onnotice: () => {} }),
    );
    const write = async (script: string) => {
      // Each client in turn, after the other one.
      clients.reverse();
      await clients[0]?.unsafe(script).simple();
    };
    const insert = (id: string) => `insert into public.shared select '${id}', pg_backend_pid()`;
    const as = (actor: string) => `begin; select auditbox.as('${actor}', '{"request_id": "of ${actor}"}')`;
    await write(`create table public.shared (id text primary key, pid int); select auditbox.capture('public.shared')`);
    await write(`${as('ana')}; ${insert('1')}; ${insert('2')}; commit`);
    await write(insert('3'));
    await write(`${as('ben')}; ${insert('4')}; commit`);
    await write(`begin; ${insert('5')}; commit`);
    await write(`${as('cy')}; ${insert('never')}; rollback`);
    await write(insert('6'));
    // Outside of a transaction it has no effect.
    await write(`select auditbox.as('dan')`);
    await write(insert('7'));
    const rows = await rig.db.sql`
      select a.object_id, a.changed_by, a.context ->> 'request_id' as request
      from auditbox.audit_log a join auditbox.outbox o on o.audit_id = a.id
      where a.table_name = 'public.shared' order by o.id`;
    const nobody = { changed_by: `db:${new URL(rig.db.url).username}`, request: null };
    expect(rows).toEqual([
      { object_id: '1', changed_by: 'ana', request: 'of ana' },
      { object_id: '2', changed_by: 'ana', request: 'of ana' },
      { object_id: '3', ...nobody },
      { object_id: '4', changed_by: 'ben', request: 'of ben' },
      ...['5', '6', '7'].map((object_id) => ({ object_id, ...nobody })),
    ]);
    expect(await rig.db.sql`select distinct pid from public.shared`).toHaveLength(1);
    await Promise.all(clients.map((client) => client.end()));
    await single.close();
  });
});
