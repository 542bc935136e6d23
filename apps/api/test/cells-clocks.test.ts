import { cellOf } from '@auditbox/db/cells/cell-of.ts';
import { setUpRoles } from '@auditbox/db/migrate/set-up-roles.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent, type WireEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { type OwnPostgres, startOwnPostgres } from '@auditbox/testing/servers/own-postgres.ts';
import { serverClockEnvironment, setServerClock } from '@auditbox/testing/servers/server-clock.ts';
import { endApps } from '@auditbox/testing/servers/spawn-app.ts';
import postgres from 'postgres';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

/* Cells whose servers have wrong clocks: one is two hours ahead, one is an hour and a half behind. */

const names = ['ash', 'birch', 'cedar'] as const;
type Name = (typeof names)[number];
const aheadS: Record<Name, number> = { ash: 7_200, birch: -5_400, cedar: 0 };
const canSetClocks = serverClockEnvironment('/') !== null;
if (!canSetClocks) console.warn('libfaketime is not installed: cells with wrong clocks are not tested.');

describe.runIf(canSetClocks)('cells with wrong clocks', () => {
  let servers: Record<Name, OwnPostgres>;
  beforeAll(async () => {
    const started = await Promise.all(
      names.map(() => startOwnPostgres({ environment: (folder) => serverClockEnvironment(folder) ?? {} })),
    );
    servers = Object.fromEntries(names.map((name, index) => [name, started[index]])) as typeof servers;
    for (const name of names) {
      // Only with the roles may the owner of the schema see which transactions run.
      await setUpRoles(servers[name].url);
      await setServerClock(servers[name].folder, aheadS[name]);
      await servers[name].sql`update auditbox.secret set value = repeat('a', 64) where name = 'content-hash'`;
    }
  });
  afterEach(endApps);
  afterAll(() => Promise.all(names.map((name) => servers[name].close())));

  const start = (list: readonly Name[] = names) =>
    startApi('', { DATABASE_CELLS: list.map((name) => `${name}=${servers[name].url}`).join(' ') });
  type Api = Awaited<ReturnType<typeof start>>;

  function idOf(name: Name, list: readonly Name[] = names): string {
    for (;;) {
      const { id } = anEvent();
      if (cellOf(id, list) === name) return id;
    }
  }
  const isoNow = (aheadMs = 0) => new Date(Date.now() + aheadMs).toISOString();

  test('the clocks differ', async () => {
    for (const name of names) {
      const [row] = await servers[name].sql<[{ at: string }]>`select now()::text as at`;
      expect(Math.abs(Date.parse(row.at) - Date.now() - aheadS[name] * 1_000)).toBeLessThan(120_000);
    }
  });

  /** A poller by recording. */
  function pollFeed(table: string) {
    const seen: string[] = [];
    let cursor = '';
    return {
      seen,
      async poll(api: Api): Promise<void> {
        for (let isCaughtUp = false; !isCaughtUp; ) {
          const query = new URLSearchParams({
            recorded_after: '2026-01-01',
            table_name: table,
            page_size: '5',
            cursor,
          });
          const { status, body, text } = await api.request(`/audit?${query}`);
          expect(status, text).toBe(200);
          seen.push(...body.audit_logs.map(({ id }: { id: string }) => id));
          cursor = body.next_cursor;
          isCaughtUp = body.caught_up;
        }
      },
    };
  }

  test('lists, cursors and feeds have every event once, while events are stored', async () => {
    const api = await start();
    const sent: WireEvent[] = [];
    const feed = pollFeed('clocks');
    for (let round = 0; round < 12; round += 1) {
      // The times of some are those of their servers.
      const events = names.flatMap((name) => [
        anEvent({ id: idOf(name), table_name: 'clocks' }),
        anEvent({ id: idOf(name), table_name: 'clocks', updated_at: isoNow(-6_000_000 - round) }),
      ]);
      sent.push(...events);
      for (const body of events) {
        const { status, text } = await api.request('/audit', { body });
        expect(status, text).toBe(201);
      }
      await feed.poll(api);
    }
    const ids = sent.map(({ id }) => id).sort();
    expect(feed.seen.toSorted()).toEqual(ids);
    for (const order of ['asc', 'desc']) {
      const times: string[] = [];
      const seen: string[] = [];
      for (let cursor: string | null = ''; cursor !== null; ) {
        const query = new URLSearchParams({ table_name: 'clocks', page_size: '7', sort_order: order, cursor });
        const { body } = await api.request(`/audit?${query}`);
        for (const { id, updated_at } of body.audit_logs) {
          seen.push(id);
          times.push(updated_at);
        }
        cursor = body.next_cursor;
      }
      expect(seen.toSorted()).toEqual(ids);
      const byTime = times.toSorted((a, b) => (order === 'asc' ? 1 : -1) * (Date.parse(a) - Date.parse(b)));
      expect(times.map((at) => Date.parse(at))).toEqual(byTime.map((at) => Date.parse(at)));
    }
    // A feed from a moment: each cell begins there by its own clock, and none of its later events is left out.
    const later = await api.request(`/audit?recorded_after=${isoNow(-3_600_000)}&table_name=clocks&page_size=100`);
    const expected = sent.filter(({ id }) => cellOf(id, names) !== 'birch').map(({ id }) => id);
    expect(later.body.audit_logs.map(({ id }: { id: string }) => id).sort()).toEqual(expected.sort());
  });

  test('a poll by event time ends before a transaction that is open in the cell whose clock is ahead', async () => {
    // A cell whose clock is behind would hold every poll back.
    const list = ['ash', 'cedar'] as const;
    const api = await start(list);
    // A poll before, so that the api has seen the clocks.
    const poll = async (from: string) => {
      const query = new URLSearchParams({
        start_date: from,
        end_date: isoNow(),
        table_name: 'polled',
        page_size: '100',
      });
      const { status, body, text } = await api.request(`/audit?${query}`);
      expect(status, text).toBe(200);
      return body.audit_logs as { readonly id: string; readonly updated_at: string }[];
    };
    const from = isoNow(-60_000);
    expect(await poll(from)).toEqual([]);
    const open = postgres(servers.ash.url, { max: 1, onnotice: () => {} });
    try {
      const late = idOf('ash', list);
      const inserted = Promise.withResolvers<void>();
      const released = Promise.withResolvers<void>();
      const transaction = open.begin(async (tx) => {
        await tx`
          insert into auditbox.audit_log (id, occurred_at, changed_by, action, table_name, object_id)
          values (${late}::uuid, ${isoNow()}::timestamptz, 'ana', 'updated', 'polled', '1')`;
        inserted.resolve();
        await released.promise;
      });
      await inserted.promise;
      // Stored after it, and visible before it.
      const early = anEvent({ id: idOf('cedar', list), table_name: 'polled', updated_at: isoNow() });
      expect((await api.request('/audit', { body: early })).status).toBe(201);
      const first = await poll(from);
      released.resolve();
      await transaction;
      const newest =
        first
          .map(({ updated_at }) => updated_at)
          .sort()
          .at(-1) ?? from;
      const second = await poll(newest);
      expect(new Set([...first, ...second].map(({ id }) => id))).toEqual(new Set([late, early.id]));
    } finally {
      await open.end({ timeout: 1 });
    }
  });

  test('a cell whose clock is behind answers 503 to an event that is right, and the others go on', async () => {
    const api = await start();
    const count = async (name: Name) => {
      const [row] = await servers[name].sql<[{ count: number }]>`
        select count(*)::int from auditbox.audit_log where table_name = 'late clock'`;
      return row.count;
    };
    const event = (id: string | undefined, aheadMs = 0) => ({
      ...anEvent({ table_name: 'late clock', updated_at: isoNow(aheadMs) }),
      id,
    });
    const ours = {
      status: 503,
      detail: 'The clock of the cell birch is more than 5 minutes behind the clock of this process.',
      code: 'database-misconfigured',
      errors: [],
    };
    const expectOurs = ({ body, headers }: Awaited<ReturnType<Api['request']>>) => {
      expect(body).toMatchObject(ours);
      expect(headers.get('retry-after')).toBe('1');
    };
    const [ash, birch, cedar] = [event(idOf('ash')), event(idOf('birch')), event(idOf('cedar'))];
    expectOurs(await api.request('/audit', { body: birch }));
    expect((await api.request('/audit', { body: ash })).status).toBe(201);
    // Nothing is stored of a batch, and every other event of a partial one.
    expectOurs(await api.request('/audit/batch', { body: [cedar, birch] }));
    expect(await count('cedar')).toBe(0);
    expectOurs(await api.request('/audit/batch?partial=true', { body: [birch] }));
    expectOurs(await api.request('/audit/batch?partial=true', { body: [birch, cedar, { no: 'event' }] }));
    expect(await count('cedar')).toBe(1);
    // The same request again would store an event without an id twice.
    const mixed = await api.request('/audit/batch?partial=true', { body: [event(undefined), birch] });
    expect(mixed.body).toMatchObject({
      created: 1,
      ids: [expect.any(String), null],
      errors: [{ path: '[1].updated_at', message: expect.stringContaining('send it again') }],
    });
    // Events of the future are a mistake of the writer, also in this cell.
    for (const name of ['birch', 'cedar'] as const)
      expect((await api.request('/audit', { body: event(idOf(name), 600_000) })).body).toMatchObject({
        status: 422,
        errors: [{ path: 'updated_at' }],
      });
    for (let n = 0; n < 20; n += 1) expect((await api.request('/audit', { body: event(undefined) })).status).toBe(201);
    expect(await count('birch')).toBe(0);
    await setServerClock(servers.birch.folder, 0);
    try {
      expect((await api.request('/audit', { body: birch })).status).toBe(201);
      await eventually(async () => {
        expect((await api.request('/audit', { body: event(undefined) })).status).toBe(201);
        expect(await count('birch')).toBeGreaterThan(1);
      });
    } finally {
      await setServerClock(servers.birch.folder, aheadS.birch);
    }
  });

  test('a key that has ended by the clock of the first cell alone is a 503, and no 401', async () => {
    const api = await start();
    const { body: made } = await api.request('/keys', {
      body: { name: 'an hour', scopes: ['write'], expires_at: isoNow(3_600_000) },
    });
    expect((await api.request('/audit', { body: anEvent({ id: idOf('cedar') }), key: made.key })).body).toMatchObject({
      status: 503,
      detail: expect.stringContaining('has a valid key that the cell ash does not have, or that has ended there'),
    });
    // It ends by the clock of this process, whatever a cell says whose clock is behind.
    await servers.birch.sql`update auditbox.api_key set expires_at = now() + interval '1 hour' where name = 'an hour'`;
    await servers.cedar
      .sql`update auditbox.api_key set expires_at = now() - interval '1 second' where name = 'an hour'`;
    const other = await start();
    expect((await other.request('/audit', { body: anEvent(), key: made.key })).status).toBe(401);
  });
});
