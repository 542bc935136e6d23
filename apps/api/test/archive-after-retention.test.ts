import { columnOf } from '@auditbox/core/event/event-columns.ts';
import { allTenants } from '@auditbox/core/keys/tenant-scope.ts';
import { startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { anEvent, type WireEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { endApps } from '@auditbox/testing/servers/spawn-app.ts';
import { openTestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openArchiveExport } from '../src/archive/archive-export.ts';
import { comparePlaces, readArchiveInOrder } from '../src/archive/archive-in-order.ts';
import { type CellLedger, listByTime } from '../src/archive/archive-ledger.ts';
import { createArchiveStore } from '../src/archive/archive-store.ts';
import { findArchivedEvent, readArchivedEventQuery } from '../src/archive/find-archived-event.ts';
import { createEventMatcher } from '../src/archive/match-event.ts';
import { readArchiveCursor } from '../src/read/cursor.ts';
import { readApiSettings } from '../src/settings.ts';

/* What the database answered before retention is what the archive answers after it. */

type Api = Awaited<ReturnType<typeof startApi>>;

let rig: ExporterFixture;
/** With the events in the database, and without them. */
let before: Api;
let after: Api;
let tenantKey: string;

const range = { start_date: '2020-05-30', end_date: '2020-06-02' };
const begins = '2020-07-01T00:00:00Z';
/** One in eight says nothing of the state before, so that the state comes from earlier events. */
const beforeValues = (n: number) => (n % 8 === 0 ? { note: `${n}`, limits: { rpm: n } } : null);
const events: WireEvent[] = Array.from({ length: 420 }, (_, n) =>
  anEvent({
    // Over the end of a month. Each object has events of many hours, and many events have the same time.
    updated_at: new Date(Date.parse('2020-05-31T18:00:00Z') + ((n * 37) % 420) * 120_000 * (n % 5 === 0 ? 1 : 0.5))
      .toISOString()
      .replace('.000Z', n % 3 === 0 ? 'Z' : `.${n % 7}Z`),
    changed_by: ['ana', 'zoë', '=x'][n % 3] as string,
    action: ['created', 'updated', 'updated', 'deleted'][(n * 7) % 4] as string,
    table_name: n % 2 === 0 ? 'teams' : 'keys',
    object_id: String(n % 6),
    tenant: ['acme', 'other', ''][n % 3] as string,
    before_value: beforeValues(n),
    updated_values: { note: `${n % 11}`, limits: { rpm: n % 4, tpm: [n] }, [`m${n % 3}`]: n },
    ...(n % 4 === 0 && { context: { ip: '192.0.2.7' } }),
  }),
);

const archiveSettings = () =>
  Object.fromEntries(Object.entries(rig.env).filter(([name]) => name.startsWith('S3_') || name.startsWith('AWS_')));

/** What a caller can ask: the master key, or one that is bound to a tenant. */
type Caller = 'all' | 'tenant';
const keyOf = (caller: Caller) => (caller === 'all' ? {} : { key: tenantKey });
const callers: readonly Caller[] = ['all', 'tenant'];

/** All events of a history or a list, as text, from the cursor of the query on. */
async function walk(
  api: Pick<Api, 'request'>,
  caller: Caller,
  path: string,
  query: Readonly<Record<string, string>>,
): Promise<string[]> {
  const steps: string[] = [];
  for (let cursor: string | null = query.cursor ?? ''; cursor !== null; ) {
    const search: URLSearchParams = new URLSearchParams({ ...query, cursor });
    const { status, text, body } = await api.request(`${path}?${search}`, keyOf(caller));
    expect(status, text).toBe(200);
    const end = text.search(/\],"(archive|record_begins_at|page_size)"/);
    const list = text.slice(text.indexOf('"audit_logs":[') + 14, end);
    if (body.audit_logs.length > 0) steps.push(...list.split(/,(?=\{"id":")/));
    cursor = body.next_cursor;
  }
  return steps;
}

/** The rows of an export, and how its closing line goes on. */
async function exportAll(api: Api, caller: Caller, query: Record<string, string>): Promise<string[]> {
  const search = new URLSearchParams({ closing_line: 'true', ...query });
  const { status, text } = await api.request(`/audit/export?${search}`, keyOf(caller));
  expect(status, text).toBe(200);
  const lines = text.trimEnd().split(query.format === 'csv' ? '\r\n' : '\n');
  const closing = lines.pop() as string;
  expect(Number(/\d+/.exec(closing)?.[0])).toBe(lines.length - (query.format === 'csv' ? 1 : 0));
  if (query.archive === 'true')
    expect(closing).toMatch(query.format === 'csv' ? /; next_cursor none$/ : /,"next_cursor":null\}$/);
  return lines.sort();
}

const histories = fc
  .sample(
    fc.record({
      table: fc.constantFrom('teams', 'keys'),
      object: fc.constantFrom('0', '1', '2', '3', '4', '5', 'missing'),
      caller: fc.constantFrom(...callers),
      page_size: fc.constantFrom('1', '3', '7', '100'),
      partial: fc.constantFrom('true', 'false'),
      end_date: fc.constantFrom('2020-06-02', '2020-05-31T12:00:00Z'),
    }),
    { numRuns: 24, seed: 19 },
  )
  .map(({ table, object, caller, ...query }) => ({
    caller,
    path: `/audit/objects/${table}/${object}`,
    query: { start_date: range.start_date, ...query },
  }));
const exports = fc.sample(
  fc.record({
    caller: fc.constantFrom(...callers),
    query: fc.record(
      {
        format: fc.constantFrom('ndjson', 'csv'),
        changed_by: fc.constantFrom('ana', 'zoë,=x'),
        action: fc.constantFrom('created', 'updated,deleted'),
        object_id: fc.constantFrom('1,2', '5'),
        sort_order: fc.constantFrom('asc', 'desc'),
      },
      { requiredKeys: ['format'] },
    ),
  }),
  { numRuns: 16, seed: 20 },
);
const ids = events.filter((_event, n) => n % 40 === 0).map(({ id }) => id);

let recorded: {
  readonly histories: readonly string[][];
  readonly exports: readonly string[][];
  readonly single: readonly { readonly status: number; readonly text: string }[];
};

/** A slow machine may need several searches. */
async function askOne(api: Api, caller: Caller, id: string) {
  for (let cursor = ''; ; ) {
    const search = new URLSearchParams({ archive: 'true', ...range, cursor });
    const answer = await api.request(`/audit/${id}?${search}`, keyOf(caller));
    if (answer.body.audit_log !== null) return answer;
    cursor = answer.body.next_cursor;
  }
}
const withoutBegin = (text: string) => text.replace(/"record_begins_at":(null|"[^"]*")/, '');

beforeAll(async () => {
  rig = await createExporterFixture();
  // In four parts, so that four objects of an hour overlap.
  for (let at = 0; at < events.length; at += 105) {
    await rig.db.store(events.slice(at, at + 105));
    expect(await (await rig.drain({ EXPORT_BATCH_MAX_ROWS: '14' })).ended).toBe(0);
  }
  const hours = Map.groupBy(await rig.bucket.objects(), ({ key }) => key.slice(0, key.lastIndexOf('/')));
  expect(Math.max(...[...hours.values()].map((objects) => objects.length))).toBeGreaterThanOrEqual(4);
  before = await startApi(urlAs('api', rig.db.url), archiveSettings());
  tenantKey = (await before.request('/keys', { body: { name: 'acme', scopes: ['read'], tenant: 'acme' } })).body.key;
  const answers = {
    histories: [] as string[][],
    exports: [] as string[][],
    single: [] as { status: number; text: string }[],
  };
  for (const { caller, path, query } of histories) answers.histories.push(await walk(before, caller, path, query));
  for (const { caller, query } of exports)
    answers.exports.push(await exportAll(before, caller, { ...range, ...query } as Record<string, string>));
  for (const id of ids) for (const caller of callers) answers.single.push(await askOne(before, caller, id));
  recorded = answers;
  expect(await rig.start(['--retention'], { AUDIT_RETENTION_DAYS: '365' }).ended).toBe(0);
  after = await startApi(urlAs('api', rig.db.url), archiveSettings());
});
afterAll(async () => {
  await endApps();
  await rig.close();
});

test('the database has none of the events any more, and every answer says so', async () => {
  const empty = await after.request(`/audit/export?${new URLSearchParams(range)}`);
  expect(empty).toMatchObject({ status: 200, text: '' });
  expect(recorded.histories.flat().length).toBeGreaterThan(200);
  expect(recorded.exports.flat().length).toBeGreaterThan(500);
  const path = `/audit/objects/teams/0?${new URLSearchParams({ ...range, archive: 'true' })}`;
  expect((await after.request(path)).body.record_begins_at).toBe(begins);
  expect((await askOne(after, 'all', ids[0] as string)).body.record_begins_at).toBe(begins);
  const exported = await after.request(
    `/audit/export?${new URLSearchParams({ ...range, archive: 'true', closing_line: 'true' })}`,
  );
  expect(exported.headers.get('auditbox-record-begins-at')).toBe(begins);
  expect(exported.text).toContain(`"record_begins_at":"${begins}","next_cursor":null}\n`);
});

test('a history from the archive has the steps that the database had, with the same changes, on pages of any size', async () => {
  for (const [index, { caller, path, query }] of histories.entries())
    expect(await walk(after, caller, path, { ...query, archive: 'true' }), `${path} ${JSON.stringify(query)}`).toEqual(
      recorded.histories[index],
    );
});

test('an export from the archive has the bytes of the rows that the database had', async () => {
  for (const [index, { caller, query }] of exports.entries()) {
    const wanted = { ...range, ...query, archive: 'true' } as Record<string, string>;
    expect(await exportAll(after, caller, wanted), JSON.stringify(query)).toEqual(recorded.exports[index]);
  }
});

test('an event by its id has the same answer from the archive, for its tenant alone', async () => {
  const answers = [];
  for (const id of ids) for (const caller of callers) answers.push(await askOne(after, caller, id));
  for (const [index, { status, text }] of answers.entries()) {
    const known = recorded.single[index];
    expect(status, text).toBe(known?.status);
    if (status === 200) expect(withoutBegin(text)).toBe(withoutBegin(known?.text ?? ''));
    else expect(JSON.parse(text)).toMatchObject({ status: 404, code: 'not-found' });
  }
  expect(answers.filter(({ status }) => status === 404).length).toBeGreaterThan(5);
  expect(await after.request(`/audit/${ids[0]}`)).toMatchObject({ status: 404 });
});

test('while the only database gets its name as a cell and another one joins, cursors of the archive go on, whichever api answers', async () => {
  const joined = await openTestDatabase();
  const ash = `ash=${urlAs('api', rig.db.url)}`;
  const named = await startApi('', { ...archiveSettings(), DATABASE_CELLS: ash });
  const both = await startApi('', {
    ...archiveSettings(),
    DATABASE_CELLS: `${ash} birch=${urlAs('api', joined.url)}`,
    DATABASE_CELLS_BEFORE: 'ash',
  });
  let turns = 0;
  const inTurn: Pick<Api, 'request'> = {
    request(path, options) {
      turns += 1;
      return [after, named, after, both, named][turns % 5]?.request(path, options) as ReturnType<Api['request']>;
    },
  };
  for (const [index, { caller, path, query }] of histories.entries())
    expect(await walk(inTurn, caller, path, { ...query, archive: 'true' }), `${path} ${JSON.stringify(query)}`).toEqual(
      recorded.histories[index],
    );
  for (const sort_order of ['asc', 'desc'])
    for (const page_size of ['4', '7']) {
      const query = { ...range, sort_order, page_size, archive: 'true' };
      const lines = await walk(after, 'all', '/audit', query);
      expect(lines).toHaveLength(events.length);
      expect(await walk(inTurn, 'all', '/audit', query)).toEqual(lines);
    }
  // Where nothing says which cell was the only one, a part may be read twice, and no event is left out.
  const unsaid = await startApi('', {
    ...archiveSettings(),
    DATABASE_CELLS: `${ash} birch=${urlAs('api', joined.url)}`,
  });
  for (const sort_order of ['asc', 'desc']) {
    const query = new URLSearchParams({ ...range, sort_order, page_size: '50', archive: 'true' });
    const first = (await after.request(`/audit?${query}`)).body;
    query.set('cursor', first.next_cursor);
    const others = await walk(unsaid, 'all', '/audit', Object.fromEntries(query));
    const seen = [...first.audit_logs, ...others.map((text) => JSON.parse(text))].map(({ id }) => id);
    expect(new Set(seen).size).toBe(events.length);
  }
  await joined.close(1_000);
});

test('an id with a time needs no range; one without a time does', async () => {
  const other = await createExporterFixture();
  const at = '2020-05-15T10:20:30.400Z';
  const hex = Date.parse(at).toString(16).padStart(12, '0');
  const timed = anEvent({ id: `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-5a5a5a5a5a5a`, updated_at: at });
  const untimed = anEvent({ updated_at: at });
  await other.db.store([timed, untimed]);
  await other.drain();
  expect(await other.start(['--retention'], { AUDIT_RETENTION_DAYS: '365' }).ended).toBe(0);
  const its = await startApi(urlAs('api', other.db.url), { ...archiveSettings(), S3_BUCKET: other.bucket.name });
  const found = await its.request(`/audit/${timed.id.toUpperCase()}?archive=true`);
  expect(found).toMatchObject({ status: 200, body: { id: timed.id, export: { state: 'done' } } });
  expect((await its.request(`/audit/${untimed.id}?archive=true`)).body).toMatchObject({
    status: 400,
    errors: [{ path: 'start_date' }],
  });
  const missed = await its.request(`/audit/${untimed.id}?archive=true&start_date=2020-05-16&end_date=2020-05-17`);
  expect(missed).toMatchObject({ status: 404 });
  expect(missed.body.detail).toMatch(/from 2020-05-16T00:00:00.*begins at 2020-06-01T00:00:00Z/);
  // Parameters that this route did not have before are ignored as ever.
  expect(await its.request(`/audit/${timed.id}?x=1`)).toMatchObject({ status: 404 });
  await other.db.close(1_000);
  await other.proxy.close();
});

const bounds = { occurredFrom: '2020-05-30T00:00:00.000000Z', occurredTo: '2020-06-02T23:59:59.999999Z' };

function openStore() {
  const settings = readApiSettings({ ...archiveSettings(), DATABASE_URL: rig.db.url });
  for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) process.env[name] = rig.env[name];
  if (settings.archive === null) throw new Error('S3_BUCKET is set.');
  return createArchiveStore(settings.archive);
}

const signal = new AbortController().signal;

test('a history that reaches a limit ends with a place, and all its parts have every event once, in order', async () => {
  const { readLines } = openStore();
  const ledgers: CellLedger[] = [{ name: '', db: rig.db }];
  const match = createEventMatcher({ tenant: allTenants, tableName: ['teams'], ...bounds });
  const wanted = events.filter(({ table_name }) => table_name === 'teams').length;
  for (const pageSize of [4, 1_000])
    for (const limits of [
      { objects: 12, bytes: 1e9, ms: 60_000 },
      { objects: 1e9, bytes: 4_000, ms: 60_000 },
    ]) {
      const found: { at: string; id: string }[] = [];
      let parts = 0;
      for (
        let after: { at: string; id: string } | null = { at: bounds.occurredFrom, id: '' };
        after !== null;
        parts += 1
      ) {
        const page: Awaited<ReturnType<typeof readArchiveInOrder>> = await readArchiveInOrder(
          { match, after, pageSize },
          { readLines, signal, limits, batches: listByTime(ledgers, { from: after.at, to: bounds.occurredTo }) },
        );
        found.push(...page.lines);
        after = page.next;
      }
      expect(parts).toBeGreaterThan(3);
      expect(found).toHaveLength(wanted);
      expect(new Set(found.map(({ id }) => id)).size).toBe(wanted);
      expect(found).toEqual(found.toSorted(comparePlaces));
    }
});

test('a history whose objects all overlap is refused instead of reading without an end', async () => {
  const { readLines } = openStore();
  const reading = readArchiveInOrder(
    {
      match: createEventMatcher({ tenant: allTenants, ...bounds }),
      after: { at: bounds.occurredTo, id: '' },
      pageSize: 10,
    },
    {
      readLines,
      signal,
      limits: { objects: 1, bytes: 1e9, ms: 60_000 },
      // Each may have an event of the last moment.
      batches: listByTime([{ name: '', db: rig.db }], { from: bounds.occurredFrom, to: bounds.occurredTo }),
    },
  );
  await expect(reading).rejects.toMatchObject({ status: 422, code: 'archive-too-dense' });
});

test('an export that reaches a limit has a cursor, and all its parts together have every row once', async () => {
  const archive = openStore();
  const ledgers: CellLedger[] = [{ name: '', db: rig.db }];
  const filter = { tenant: allTenants, ...bounds };
  for (const direction of ['asc', 'desc'] as const) {
    const list = { filter, order: { by: 'updated_at', direction } } as const;
    const found: string[] = [];
    let parts = 0;
    for (let cursor: string | null = ''; cursor !== null; parts += 1) {
      const place = cursor === '' ? null : readArchiveCursor(list, cursor);
      if (place !== null && 'message' in place) throw new Error(place.message);
      const source = openArchiveExport(
        { list, filter, after: place?.place ?? null },
        'ndjson',
        { archive, signal, reads: { listLedgers: () => ledgers } as never },
        { objects: 7, bytes: 1e9, ms: 60_000 },
      );
      for (let part = await source.next(); part !== null; part = await source.next())
        found.push(...Buffer.concat(part).toString().trimEnd().split('\n'));
      cursor = source.nextCursor ?? null;
    }
    expect(parts).toBeGreaterThan(5);
    expect(found.map((line) => JSON.parse(line).id).sort()).toEqual(events.map(({ id }) => id).sort());
  }
});

test('a search for an event that reaches a limit has a cursor, and goes on to the event', async () => {
  const archive = openStore();
  const reads = { listLedgers: () => [{ name: '', db: rig.db }], getRecordBegin: async () => begins } as never;
  const newest = events.toSorted((a, b) => ((a.updated_at ?? '') < (b.updated_at ?? '') ? 1 : -1))[0]?.id as string;
  let searches = 0;
  for (let cursor = '', isFound = false; !isFound; searches += 1) {
    const query = readArchivedEventQuery(
      newest,
      { start_date: bounds.occurredFrom, end_date: bounds.occurredTo, cursor },
      allTenants,
    );
    if (!query.ok) throw new Error(JSON.stringify(query.problems));
    const limits = { objects: 9, bytes: 1e9, ms: 60_000 };
    const answer = JSON.parse(await findArchivedEvent(query.value, archive, reads, signal, limits));
    isFound = answer.id === newest;
    if (!isFound)
      expect(answer).toMatchObject({ audit_log: null, archive: { objects_read: 9 }, record_begins_at: begins });
    cursor = answer.next_cursor;
  }
  expect(searches).toBeGreaterThan(3);
});

test('what an export or a history cannot answer from objects is a 400', async () => {
  const refuse = async (path: string, wrong: string) => {
    const { status, body } = await after.request(path);
    expect(status, path).toBe(400);
    expect(body.errors, path).toMatchObject([{ path: wrong }]);
  };
  const given = new URLSearchParams({ ...range, archive: 'true' });
  await refuse('/audit/export?archive=true&closing_line=true', 'start_date');
  await refuse(`/audit/export?${given}`, 'closing_line');
  await refuse(`/audit/export?${given}&closing_line=true&q=words`, 'q');
  await refuse(`/audit/export?${given}&closing_line=true&sort_by=action`, 'sort_by');
  await refuse(`/audit/export?${given}&closing_line=true&cursor=eA`, 'cursor');
  await refuse('/audit/export?cursor=eA', 'cursor');
  await refuse('/audit/objects/teams/1?archive=true&end_date=2020-06-01', 'start_date');
  await refuse('/audit/objects/teams/1?archive=true&start_date=2020-06-01', 'end_date');
  await refuse(`/audit/objects/teams/1?${given}&cursor=eA`, 'cursor');
  await refuse(`/audit/${ids[0]}?${given}&cursor=eA`, 'cursor');
  await refuse(`/audit/${ids[0]}?archive=true&x=1`, 'x');
  await refuse(`/audit/stats?${given}`, 'archive');
});

test('without S3_BUCKET each of these routes says that it does not read the archive', async () => {
  const without = await startApi(urlAs('api', rig.db.url));
  const given = new URLSearchParams({ ...range, archive: 'true', closing_line: 'true' });
  const history = new URLSearchParams({ ...range, archive: 'true' });
  for (const path of [`/audit/export?${given}`, `/audit/objects/teams/1?${history}`, `/audit/${ids[0]}?${history}`])
    expect(await without.request(path), path).toMatchObject({ status: 501, body: { code: 'archive-not-configured' } });
});

test('a cursor that a caller wrote shows no line of another tenant', async () => {
  const query = { ...range, archive: 'true', page_size: '1' };
  const path = '/audit/objects/teams/0';
  const first = await after.request(`${path}?${new URLSearchParams(query)}`, { key: tenantKey });
  const [kind, print, at, id] = JSON.parse(Buffer.from(first.body.next_cursor, 'base64url').toString());
  const [others] = await rig.db.sql<[{ refs: string[] }]>`select array_agg(id::text) as refs from auditbox.batch`;
  const answers = new Set<string>();
  for (const batch of [...others.refs.slice(0, 15), '999999'])
    for (const line of [0, 3]) {
      const forged = Buffer.from(JSON.stringify([kind, print, at, id, [['', batch, line]]])).toString('base64url');
      const { text } = await after.request(`${path}?${new URLSearchParams({ ...query, cursor: forged })}`, {
        key: tenantKey,
      });
      answers.add(JSON.stringify(JSON.parse(text).audit_logs));
    }
  // The state before the page is one of the tenant's events, or unknown.
  const own = events.filter(
    ({ tenant, table_name, object_id }) => `${tenant}${table_name}${object_id}` === 'acmeteams0',
  );
  expect(answers.size).toBeLessThanOrEqual(own.length + 1);
  const { body } = await after.request(`${path}?${new URLSearchParams({ ...query, page_size: '100' })}`, {
    key: tenantKey,
  });
  expect(body.audit_logs).toHaveLength(own.length);
  expect(body.audit_logs.every(({ tenant }: { tenant?: string }) => tenant === 'acme')).toBe(true);
});

test('over cells, a history is in order, an export has each event once, and an event is found in any cell', async () => {
  const names = ['ash', 'birch', 'cedar'];
  const databases = await Promise.all(names.map(() => openTestDatabase()));
  for (const [index, name] of names.entries()) {
    const db = databases[index];
    await db?.store(events.filter((_event, n) => n % 3 === index));
    const app = rig.start(['--once'], {
      ...{ DATABASE_URL: urlAs('exporter', db?.url as string), CELL_NAME: name },
      ...{ S3_PREFIX: 'of-cells/', EXPORT_BATCH_MAX_ROWS: '9' },
    });
    expect(await app.ended).toBe(0);
  }
  const list = databases.map(({ url }, index) => `${names[index]}=${urlAs('api', url)}`).join(' ');
  const cells = await startApi('', { ...archiveSettings(), DATABASE_CELLS: list });
  const whole = { ...range, archive: 'true' };
  const steps = await walk(cells, 'all', '/audit/objects/teams/0', { ...whole, page_size: '5' });
  const one = await walk(after, 'all', '/audit/objects/teams/0', { ...whole, page_size: '5' });
  const withoutRecording = (step: string) => step.replace(/"recorded_at":"[^"]+"/, '');
  expect(steps.map(withoutRecording)).toEqual(one.map(withoutRecording));
  const rows = await exportAll(cells, 'all', { ...whole, format: 'ndjson' });
  expect(rows.map((row) => JSON.parse(row).id).sort()).toEqual(events.map(({ id }) => id).sort());
  for (const { id } of events.slice(0, 6)) expect((await askOne(cells, 'all', id)).body).toMatchObject({ id });
  await endApps();
  for (const db of databases) await db.close(1_000);
});

test('the matcher says the time of each line with all digits', () => {
  const line = Buffer.from('{"id":"x","updated_at":"2020-06-01T00:00:00.5Z"}');
  const found = createEventMatcher({ tenant: allTenants, ...bounds })(line);
  expect(found?.at).toBe('2020-06-01T00:00:00.500000Z');
  expect(found && columnOf(found.row, 'id')).toBe('x');
});
