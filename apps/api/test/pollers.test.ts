import { randomUUID } from 'node:crypto';
import { type AuditClient, createClient } from '@auditbox/client/audit-client.ts';
import { type ApiFixture, createApiFixture, masterKey } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

let api: ApiFixture;
let client: AuditClient;
beforeAll(async () => {
  api = await createApiFixture();
  client = createClient({ baseUrl: api.url, key: masterKey });
});
afterAll(() => api.close());

/** A transaction that inserts one event at its beginning and one event at its end, `seconds` later. */
async function writeSlowly(table_name: string, seconds: number): Promise<string[]> {
  const [early, late] = [randomUUID(), randomUUID()];
  await api.db.sql.begin(async (tx) => {
    const insert = (id: string) => tx`
      insert into auditbox.audit_log (id, changed_by, action, table_name, object_id)
      values (${id}, 'raw', 'updated', ${table_name}, 'late')`;
    await insert(early);
    await tx`select pg_sleep(${seconds})`;
    await insert(late);
  });
  return [early, late];
}

/** Calls `write` `count` times, one after the other. Resolves to the ids of all events. */
async function inTurn(count: number, write: (n: number) => Promise<readonly string[]>): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n += 1) ids.push(...(await write(n)));
  return ids;
}

test.each(['', '&table_name=begun'])(
  'a poller that begins before there is an event (%j) has a cursor, and what commits later comes behind it, each once',
  async (filter) => {
    const table_name = 'begun';
    const page = async (cursor: string) => {
      const { status, body } = await api.request(
        `/audit?recorded_after=2020-01-01${filter}&page_size=2&cursor=${encodeURIComponent(cursor)}`,
      );
      expect(status).toBe(200);
      expect(body.next_cursor).toEqual(expect.any(String));
      return body as { audit_logs: { id: string }[]; next_cursor: string; caught_up: boolean };
    };
    /** Reads on until the feed is at its end. */
    const readOn = async (cursor: string) => {
      const seen: string[] = [];
      for (let at = cursor; ; ) {
        const { audit_logs, next_cursor, caught_up } = await page(at);
        seen.push(...audit_logs.map(({ id }) => id));
        at = next_cursor;
        if (caught_up) return { seen, cursor: at };
      }
    };
    let { audit_logs: found, next_cursor: cursor } = await page('');
    // The first poller begins in an empty database, the second one in front of events of other kinds.
    if (filter === '') expect(found).toEqual([]);
    else ({ cursor } = await readOn(cursor));
    const before = await readOn(cursor);
    expect(before.seen).toEqual([]);
    const early = randomUUID();
    const { promise: committed, resolve: commit } = Promise.withResolvers<void>();
    const { promise: inserted, resolve: reportInserted } = Promise.withResolvers<void>();
    const open = api.db.sql.begin(async (tx) => {
      await tx`
        insert into auditbox.audit_log (id, changed_by, action, table_name, object_id)
        values (${early}, 'raw', 'updated', ${table_name}, 'early')`;
      reportInserted();
      await committed;
    });
    await inserted;
    ({ audit_logs: found, next_cursor: cursor } = await page(before.cursor));
    expect(found).toEqual([]);
    const later = await client.write(anEvent({ table_name }));
    ({ audit_logs: found, next_cursor: cursor } = await page(cursor));
    expect(found).toEqual([]);
    commit();
    await open;
    const after = await readOn(cursor);
    expect(after.seen.sort()).toEqual([early, later.id].sort());
    const { ids } = await client.writeBatch(someEvents(5, { table_name }));
    const last = await readOn(after.cursor);
    expect(last.seen.sort()).toEqual([...ids].sort());
    expect((await readOn(last.cursor)).seen).toEqual([]);
  },
);

test('a poller by recording sees every event exactly once, even of transactions that commit late and out of order', async () => {
  const table_name = 'recorded';
  const last = anEvent({ table_name });
  const seen: string[] = [];
  const polling = (async () => {
    const stop = new AbortController();
    const query = { recorded_after: '2020-01-01', table_name: [table_name], page_size: 20 };
    for await (const { events } of client.poll(query, { signal: stop.signal, intervalMs: 20 })) {
      seen.push(...events.map(({ id }) => id));
      if (seen.includes(last.id)) stop.abort();
    }
  })();
  const written = await Promise.all([
    inTurn(3, () => writeSlowly(table_name, 2)),
    inTurn(6, (n) => writeSlowly(table_name, 1.5 - n / 4)),
    inTurn(40, (n) => writeSlowly(table_name, (n % 7) / 50)),
    inTurn(300, async () => [(await client.write(anEvent({ table_name }))).id]),
    inTurn(60, async () => (await client.writeBatch(someEvents(5, { table_name }))).ids),
  ]);
  // It is recorded after all other events, so the poller sees it last.
  await client.write(last);
  await polling;
  expect(seen.sort()).toEqual([...written.flat(), last.id].sort());
});

/** The members of a LiteLLM page that a SIEM reads. */
interface SiemPage {
  readonly audit_logs: readonly { readonly id: string; readonly updated_at: string }[];
  readonly total_pages: number;
}

interface SiemPoll {
  readonly ids: ReadonlySet<string>;
  /** The next poll's start. */
  readonly newest: string;
}

/** Polls once, as Elastic's integration for LiteLLM does: from the newest known event time to now, newest first. */
async function siemPoll(startDate: string): Promise<SiemPoll> {
  const ids = new Set<string>();
  let newest = startDate;
  let pages = 1;
  const endDate = `${new Date().toISOString().slice(0, -1)}000000Z`;
  for (let page = 1; page <= pages; page += 1) {
    const part = { page: String(page), page_size: '10', start_date: startDate, end_date: endDate, sort_order: 'desc' };
    const response = await fetch(`${api.url}/audit?${new URLSearchParams(part)}`, {
      headers: { authorization: `Bearer ${masterKey}` },
    });
    expect(response.status).toBe(200);
    const { audit_logs, total_pages } = (await response.json()) as SiemPage;
    pages = total_pages;
    const first = audit_logs[0]?.updated_at ?? newest;
    if (first > newest) newest = first;
    for (const { id } of audit_logs) ids.add(id);
  }
  return { ids, newest };
}

test('a SIEM that polls by event time during writes gets every event whose time came from the database', async () => {
  const seen = new Set<string>();
  let start = `${new Date(Date.now() - 60_000).toISOString().slice(0, -1)}000Z`;
  const pollOnce = async () => {
    const { ids, newest } = await siemPoll(start);
    for (const id of ids) seen.add(id);
    start = newest;
  };
  const table_name = 'siem';
  let isWriting = true;
  let polls = 0;
  const untilPolled = async (count: number) => {
    const ids: string[] = [];
    while (polls <= count) ids.push((await client.write(anEvent({ table_name }))).id);
    return ids;
  };
  const writing = Promise.all([
    untilPolled(5),
    ...[1, 2, 3, 4].map(() => inTurn(300, async () => [(await client.write(anEvent({ table_name }))).id])),
    inTurn(20, (n) => writeSlowly(table_name, (n % 5) / 10)),
    inTurn(1, () => writeSlowly(table_name, 3)),
  ]).finally(() => {
    isWriting = false;
  });
  for (; isWriting; polls += 1) await pollOnce();
  const written = (await writing).flat();
  await pollOnce();
  expect(polls).toBeGreaterThan(5);
  expect(written.filter((id) => !seen.has(id))).toEqual([]);
});

test("a query that ends now includes the caller's own write", async () => {
  for (let n = 0; n < 5; n += 1) {
    const { id } = await client.write(anEvent({ table_name: 'own' }));
    const query = {
      start_date: '2026-01-01',
      end_date: new Date(Date.now() + 1_000).toISOString(),
      table_name: ['own'],
    };
    const { audit_logs } = await client.list(query);
    expect(audit_logs.map((event) => event.id)).toContain(id);
  }
});
