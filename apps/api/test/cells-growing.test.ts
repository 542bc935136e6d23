import { cellOf } from '@auditbox/db/cells/cell-of.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { lockAuditLog } from '@auditbox/testing/fixtures/lock-audit-log.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { endApps } from '@auditbox/testing/servers/spawn-app.ts';
import { openTestDatabase, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';

/*
 * What pollers and repeated ids meet while cells are added: apis with the list of before and of after answer in turn, as they
 * do while they are restarted one after the other. The outbox ids of a new cell are lower than those of the old one.
 */

const names = ['ash', 'birch', 'cedar'] as const;
type Name = (typeof names)[number];
let databases: Record<Name, TestDatabase>;
beforeEach(async () => {
  const opened = await Promise.all(names.map(() => openTestDatabase()));
  databases = Object.fromEntries(names.map((name, index) => [name, opened[index]])) as typeof databases;
});
afterEach(async () => {
  await endApps();
  for (const db of Object.values(databases)) await db.close(1_000);
});

type Api = Awaited<ReturnType<typeof startApi>>;
const urlOf = (name: Name) => urlAs('api', databases[name].url);
/** `ash birch:read` */
const start = (list: string, before?: string) =>
  startApi('', {
    DATABASE_CELLS: list
      .split(' ')
      .map((entry) => `${entry}=${urlOf(entry.split(':')[0] as Name)}`)
      .join(' '),
    ...(before !== undefined && { DATABASE_CELLS_BEFORE: before }),
  });

/** The steps of docs/operate.md, from one database to three cells. */
const growth: readonly (() => Promise<Api>)[] = [
  () => startApi(urlOf('ash')),
  () => start('ash'),
  () => start('ash birch:read', 'ash; ash birch'),
  () => start('ash birch', 'ash'),
  () => start('ash birch cedar:read', 'ash; ash birch; ash birch cedar'),
  () => start('ash birch cedar', 'ash; ash birch'),
];

/** Ids for three cells: each of them gets some. */
function idsForAll(count: number): string[] {
  const events = someEvents(count * 20);
  return names.flatMap((name) =>
    events
      .map(({ id }) => id)
      .filter((id) => cellOf(id, names) === name)
      .slice(0, count),
  );
}

async function store(api: Api, ids: readonly string[], created: number, fields: object = {}): Promise<void> {
  const body = ids.map((id) => anEvent({ id, table_name: 'grown', ...fields }));
  const answer = await api.request('/audit/batch', { body });
  expect([answer.status, answer.body.created], answer.text).toEqual([created === 0 ? 200 : 201, created]);
}

async function storedIds(): Promise<string[]> {
  const rows = await Promise.all(
    Object.values(databases).map(
      (db) => db.sql<{ id: string }[]>`select id::text from auditbox.audit_log where table_name = 'grown'`,
    ),
  );
  return rows.flatMap((part) => part.map(({ id }) => id)).sort();
}

/** A poller by recording that goes on with one cursor, whichever api answers. */
function pollByRecording() {
  const seen: string[] = [];
  let cursor = '';
  return {
    seen,
    async poll(api: Api): Promise<void> {
      for (let isCaughtUp = false; !isCaughtUp; ) {
        const query = new URLSearchParams({
          recorded_after: '2026-01-01',
          table_name: 'grown',
          page_size: '7',
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

/** A poller by event time, from the newest time that it has seen to now. */
function pollByEventTime() {
  const seen = new Set<string>();
  let newest = '2026-01-01T00:00:00Z';
  return {
    seen,
    async poll(api: Api): Promise<void> {
      const range = { start_date: newest, end_date: new Date().toISOString(), table_name: 'grown' };
      for (let page = 1, pages = 1; page <= pages; page += 1) {
        const query = new URLSearchParams({ ...range, page: String(page), page_size: '50' });
        const { status, body, text } = await api.request(`/audit?${query}`);
        expect(status, text).toBe(200);
        pages = body.total_pages;
        for (const { id, updated_at } of body.audit_logs) {
          seen.add(id);
          if (updated_at > newest) newest = updated_at;
        }
      }
    },
  };
}

test('while cells are added step by step, pollers get each event, and an id that is sent again is stored once', async () => {
  const byRecording = pollByRecording();
  const byEventTime = pollByEventTime();
  const asleep = pollByRecording();
  const sent: string[] = idsForAll(2);
  let before = await (growth[0] as () => Promise<Api>)();
  await store(before, sent, sent.length);
  await asleep.poll(before);
  for (const startNext of growth.slice(1)) {
    const after = await startNext();
    // Both answer, in turn: the restarts are on their way.
    for (const [writer, other] of [
      [before, after],
      [after, before],
    ] as const) {
      const ids = idsForAll(4);
      sent.push(...ids);
      await store(writer, ids, ids.length);
      await store(other, ids, 0);
      for (const reader of [other, writer, other, after]) {
        await byRecording.poll(reader);
        await byEventTime.poll(reader);
      }
    }
    before = after;
  }
  await asleep.poll(before);
  expect(await storedIds()).toEqual(sent.toSorted());
  expect(asleep.seen.toSorted()).toEqual(sent.toSorted());
  expect(byRecording.seen.toSorted()).toEqual(sent.toSorted());
  expect([...byEventTime.seen].sort()).toEqual(sent.toSorted());
  for (const db of Object.values(databases))
    expect((await db.sql`select from auditbox.audit_log where table_name = 'grown'`).length).toBeGreaterThan(0);
});

test('while cells are added, ids that are sent again and again to apis of both lists are stored once, and each is in every list', async () => {
  let apis: readonly Api[] = [await (growth[0] as () => Promise<Api>)()];
  let isOver = false;
  const sent: string[] = [];
  /** Each of its ids is answered before it is sent again, as a caller that got no answer in time does. */
  async function write(): Promise<void> {
    while (!isOver) {
      const [id = ''] = idsForAll(1).sort(() => Math.random() - 0.5);
      sent.push(id);
      for (let n = 0; n < 4; n += 1) {
        const api = apis[Math.floor(Math.random() * apis.length)] as Api;
        const asBatch = Math.random() < 0.5;
        const body = anEvent({ id, table_name: 'grown' });
        const answer = await api.request(asBatch ? '/audit/batch' : '/audit', { body: asBatch ? [body] : body });
        expect([answer.status, n === 0], answer.text).toEqual([n === 0 ? 201 : 200, n === 0]);
      }
      expect((await (apis.at(-1) as Api).request(`/audit/${id}`)).status).toBe(200);
    }
  }
  const writers = Array.from({ length: 4 }, write);
  for (const startNext of growth.slice(1)) {
    const next = await startNext();
    apis = [apis.at(-1) as Api, next];
    const count = sent.length;
    await eventually(() => expect(sent.length).toBeGreaterThan(count + 40));
    apis = [next];
  }
  isOver = true;
  await Promise.all(writers);
  expect(await storedIds()).toEqual(sent.toSorted());
  const poller = pollByRecording();
  await poller.poll(apis.at(-1) as Api);
  expect(poller.seen.toSorted()).toEqual(sent.toSorted());
});

test('a cursor of a feed keeps its place in cells that the api which answers does not have', async () => {
  const both = await start('ash birch', 'ash');
  const alone = await start('ash');
  await store(both, idsForAll(5), 15);
  const poller = pollByRecording();
  for (const api of [both, alone, both, alone, both]) await poller.poll(api);
  expect(poller.seen.toSorted()).toEqual(await storedIds());
});

test('a cursor of a feed goes on while an only cell gets its name, and loses it again', async () => {
  const unnamed = await startApi(urlOf('ash'));
  const named = await start('ash');
  await store(unnamed, idsForAll(5), 15);
  const poller = pollByRecording();
  for (const api of [unnamed, named, unnamed, named, unnamed]) await poller.poll(api);
  expect(poller.seen.toSorted()).toEqual(await storedIds());
});

test('/readyz names the cells in which a forgotten list of before hides ids, while callers may send them again', async () => {
  const one = await start('ash');
  const ids = idsForAll(5);
  await store(one, ids, 15, { updated_at: new Date(Date.now() - 2 * 3_600_000).toISOString() });
  const forgotten = await start('ash birch cedar');
  const { text } = await forgotten.request('/readyz');
  const [, cell, named = ''] =
    /The cell (\w+): .*?Of 15 .* events of the last days, 10 have ids that .* other cells, the newest (\S+) of/.exec(
      text,
    ) ?? [];
  expect([cell, cellOf(named, names) === 'ash', ids.includes(named)], text).toEqual(['ash', false, true]);
  expect((await (await start('ash birch cedar', 'ash')).request('/readyz')).text).not.toContain('have ids');
});

test('/readyz names no cell for ids that nobody routes, and none for events of more than a week ago', async () => {
  const one = await start('ash');
  const old = new Date(Date.now() - 9 * 86_400_000).toISOString();
  const body = idsForAll(5).map((id) => anEvent({ id, updated_at: old }));
  expect((await one.request('/audit/batch', { body })).status).toBe(201);
  expect((await one.request('/keys', { body: { name: 'siem', scopes: ['read'] } })).status).toBe(201);
  await databases.ash.sql`
    insert into auditbox.audit_log (id, changed_by, action, table_name, object_id)
    select id::uuid, 'ana', 'updated', 'grown', '1' from json_array_elements_text(${JSON.stringify(idsForAll(5))}::text::json) as sent (id)`;
  expect((await (await start('ash birch cedar')).request('/readyz')).text).not.toContain('have ids');
});

test('a cell whose events cannot be read now is ready, and what they show is named as soon as they can', async () => {
  const one = await start('ash');
  await store(one, idsForAll(5), 15);
  const unlock = await lockAuditLog(databases.ash);
  const forgotten = await start('ash birch cedar');
  expect((await forgotten.request('/readyz')).text).not.toMatch(/not ready|have ids/);
  await unlock();
  await eventually(async () => expect((await forgotten.request('/readyz')).text).toContain('10 have ids'));
});
